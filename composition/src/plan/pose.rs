//! The pose of a layer on one frame: its placement, drift and transitions together.
//!
//! The engine asks for it on each frame and only draws. A pose may contain floats, which a plan may
//! not, because no key is computed from it.

use super::layer::{Layer, Placement};
use super::motion::{Direction, Drift, Transition, TransitionKind};
use super::segment::Canvas;

/// The distance of a slide, as a share of the canvas.
const SLIDE_TRAVEL: f64 = 0.125;
/// The scale at which a zoom begins.
const ZOOM_FROM: f64 = 3.0;
/// The distance that a shuffled card swings aside, as a share of the canvas, and its turn in
/// degrees.
const SHUFFLE_SWING: f64 = 0.25;
const SHUFFLE_TURN: f64 = 12.0;

/// The place and look of a layer's box on one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// The left edge of the box before it is turned, in pixels of the canvas.
    pub x: f64,
    /// The top edge, likewise.
    pub y: f64,
    /// The width of the scaled box, in pixels.
    pub width: f64,
    /// The height of the scaled box, in pixels.
    pub height: f64,
    /// Degrees clockwise about the box's centre.
    pub angle: f64,
    /// Degrees of skew along x, applied before the turn.
    pub skew_x: f64,
    /// Degrees of skew along y.
    pub skew_y: f64,
    pub flip_x: bool,
    pub flip_y: bool,
    /// 0 to 1.
    pub opacity: f64,
    /// The visible part of the box, in shares of it: left, top, right, bottom. It is not mirrored
    /// by a flip.
    pub clip: [f64; 4],
}

impl Pose {
    /// The affine map from the box (0 to 1 both ways) to the canvas in pixels, `[a, b, c, d, e,
    /// f]`: `X = a·u + c·v + e`, `Y = b·u + d·v + f`.
    pub fn matrix(&self) -> [f64; 6] {
        let sign = |flipped: bool| if flipped { -1.0 } else { 1.0 };
        let (wide, high) = (self.width * sign(self.flip_x), self.height * sign(self.flip_y));
        let (sin, cos) = self.angle.to_radians().sin_cos();
        let (skew_x, skew_y) = (self.skew_x.to_radians().tan(), self.skew_y.to_radians().tan());
        let turned = |x: f64, y: f64| {
            let (x, y) = (x + skew_x * y, y + skew_y * x);
            (cos * x - sin * y, sin * x + cos * y)
        };
        let ((a, b), (c, d)) = (turned(wide, 0.0), turned(0.0, high));
        let (middle_x, middle_y) = (self.x + self.width / 2.0, self.y + self.height / 2.0);
        [a, b, c, d, middle_x - (a + c) / 2.0, middle_y - (b + d) / 2.0]
    }

    fn grow(&mut self, factor: f64) {
        self.x -= self.width * (factor - 1.0) / 2.0;
        self.y -= self.height * (factor - 1.0) / 2.0;
        self.width *= factor;
        self.height *= factor;
    }
}

impl Layer {
    /// The pose on a frame of the segment; none if the layer does not show there.
    pub fn pose_at(&self, canvas: &Canvas, frame: u64) -> Option<Pose> {
        let clock = self.clock_at(frame)?;
        let size = (f64::from(canvas.width), f64::from(canvas.height));
        let mut pose = self.placement.pose_at(size, clock);
        pose.opacity = self.opacity.value_at(clock).clamp(0.0, 1.0);
        if let Some(drift) = &self.placement.drift {
            drift.apply(&mut pose, clock);
        }
        if let Some(enter) = &self.enter {
            enter.apply(&mut pose, size, enter.shown_entering(clock), TransitionEnd::Enter);
        }
        if let Some(leave) = &self.leave {
            leave.apply(&mut pose, size, leave.shown_leaving(clock), TransitionEnd::Leave);
        }
        Some(pose)
    }
}

impl Placement {
    fn pose_at(&self, (canvas_width, canvas_height): (f64, f64), clock: u64) -> Pose {
        let scale = self.scale.value_at(clock).max(0.0);
        let (width, height) = (self.width.to_f64() * scale, self.height.to_f64() * scale);
        Pose {
            x: self.anchor_x.to_f64() * (canvas_width - width) + self.x.value_at(clock),
            y: self.anchor_y.to_f64() * (canvas_height - height) + self.y.value_at(clock),
            width,
            height,
            angle: self.angle.value_at(clock),
            skew_x: self.skew_x.value_at(clock),
            skew_y: self.skew_y.value_at(clock),
            flip_x: self.flip_x,
            flip_y: self.flip_y,
            opacity: 1.0,
            clip: [0.0, 0.0, 1.0, 1.0],
        }
    }
}

impl Drift {
    fn apply(&self, pose: &mut Pose, clock: u64) {
        let share = (clock as f64 / self.frames.max(1) as f64).min(1.0);
        let between = |ends: [super::Micro; 2]| {
            ends[0].to_f64() + (ends[1].to_f64() - ends[0].to_f64()) * share
        };
        pose.grow(between(self.scale));
        pose.x += between(self.x);
        pose.y += between(self.y);
    }
}

/// The end of a clip at which a transition plays.
#[derive(Clone, Copy, PartialEq)]
enum TransitionEnd {
    Enter,
    Leave,
}

impl Transition {
    /// The share that has appeared, 0 to 1.
    fn shown_entering(&self, clock: u64) -> f64 {
        self.easing.ease(clock.saturating_sub(self.start) as f64 / self.frames.max(1) as f64)
    }

    /// The share that is still visible, 1 to 0.
    fn shown_leaving(&self, clock: u64) -> f64 {
        let end = self.start + self.frames.max(1);
        self.easing.ease(end.saturating_sub(clock) as f64 / self.frames.max(1) as f64)
    }

    fn apply(&self, pose: &mut Pose, canvas: (f64, f64), shown: f64, end: TransitionEnd) {
        let hidden = 1.0 - shown;
        if hidden == 0.0 {
            return;
        }
        match self.kind {
            TransitionKind::Fade => pose.opacity *= shown,
            TransitionKind::Slide(direction) => {
                pose.opacity *= shown;
                shift(pose, canvas, direction, end, hidden * SLIDE_TRAVEL);
            }
            TransitionKind::Carousel(direction) => carry_off(pose, canvas, direction, end, hidden),
            TransitionKind::Zoom => {
                pose.opacity *= shown;
                pose.grow(1.0 + (ZOOM_FROM - 1.0) * hidden);
            }
            TransitionKind::Wipe(direction) => {
                pose.clip = meet(pose.clip, wiped(direction, shown, end))
            }
            TransitionKind::Reveal(direction) => {
                pose.clip = meet(pose.clip, slit(direction, shown))
            }
            TransitionKind::Shuffle { over, swing } => {
                carry_off(pose, canvas, over, end, hidden);
                shift(pose, canvas, swing, end, hidden * SHUFFLE_SWING);
                pose.angle += SHUFFLE_TURN * hidden * turn_of(over, swing);
            }
        }
    }
}

/// Moves by a share of the canvas: against the direction at a clip's start, along it at its end.
fn shift(
    pose: &mut Pose,
    (width, height): (f64, f64),
    direction: Direction,
    end: TransitionEnd,
    share: f64,
) {
    let (x, y) = direction.vector();
    let sign = if end == TransitionEnd::Enter { -1.0 } else { 1.0 };
    pose.x += sign * x * width * share;
    pose.y += sign * y * height * share;
}

/// Moves by a share of the distance that just hides the box outside the canvas.
fn carry_off(
    pose: &mut Pose,
    (width, height): (f64, f64),
    direction: Direction,
    end: TransitionEnd,
    share: f64,
) {
    let outward = if end == TransitionEnd::Enter { direction.opposite() } else { direction };
    match outward {
        Direction::Left => pose.x -= (pose.x + pose.width) * share,
        Direction::Right => pose.x += (width - pose.x) * share,
        Direction::Up => pose.y -= (pose.y + pose.height) * share,
        Direction::Down => pose.y += (height - pose.y) * share,
    }
}

/// The part of the box on the visible side of a moving edge.
fn wiped(direction: Direction, shown: f64, end: TransitionEnd) -> [f64; 4] {
    let side = if end == TransitionEnd::Enter { direction } else { direction.opposite() };
    match side {
        Direction::Right => [0.0, 0.0, shown, 1.0],
        Direction::Left => [1.0 - shown, 0.0, 1.0, 1.0],
        Direction::Down => [0.0, 0.0, 1.0, shown],
        Direction::Up => [0.0, 1.0 - shown, 1.0, 1.0],
    }
}

fn slit(direction: Direction, shown: f64) -> [f64; 4] {
    let (low, high) = (0.5 - shown / 2.0, 0.5 + shown / 2.0);
    match direction {
        Direction::Left | Direction::Right => [low, 0.0, high, 1.0],
        Direction::Up | Direction::Down => [0.0, low, 1.0, high],
    }
}

fn meet(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]
}

/// The sense of the turn from one direction to another: 1 is clockwise, −1 is not.
fn turn_of(over: Direction, swing: Direction) -> f64 {
    let ((ax, ay), (bx, by)) = (over.vector(), swing.vector());
    ax * by - ay * bx
}

impl Direction {
    /// One step in this direction, with x to the right and y down.
    pub const fn vector(self) -> (f64, f64) {
        match self {
            Direction::Left => (-1.0, 0.0),
            Direction::Right => (1.0, 0.0),
            Direction::Up => (0.0, -1.0),
            Direction::Down => (0.0, 1.0),
        }
    }

    /// The opposite direction.
    pub const fn opposite(self) -> Direction {
        match self {
            Direction::Left => Direction::Right,
            Direction::Right => Direction::Left,
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Asset, Blend, Curve, Easing, MICRO, Micro, Rate, Rgba, Span};

    const CANVAS: Canvas =
        Canvas { width: 400, height: 200, rate: Rate { num: 25, den: 1 }, background: Rgba::BLACK };

    fn layer() -> Layer {
        let still = |units| Curve::Still(Micro::whole(units));
        Layer {
            show: Span { from: 0, to: 100 },
            clock: 0,
            asset: Asset::Colour(Rgba::WHITE),
            placement: Placement {
                width: Micro::whole(100),
                height: Micro::whole(50),
                anchor_x: Micro::ONE,
                anchor_y: Micro::ZERO,
                x: still(0),
                y: still(0),
                scale: still(1),
                angle: still(0),
                skew_x: still(0),
                skew_y: still(0),
                flip_x: false,
                flip_y: false,
                drift: None,
            },
            opacity: still(1),
            enter: None,
            leave: None,
            filters: vec![],
            chroma_key: None,
            mattes: vec![],
            blend: Blend::Normal,
        }
    }

    fn corner(layer: &Layer, frame: u64) -> [f64; 4] {
        let pose = layer.pose_at(&CANVAS, frame).expect("shows");
        [pose.x, pose.y, pose.width, pose.height]
    }

    fn transition(kind: TransitionKind, start: u64) -> Option<Transition> {
        Some(Transition { kind, start, frames: 10, easing: Easing::Linear })
    }

    #[test]
    fn scale_keeps_the_anchor_in_its_corner() {
        let mut layer = layer();
        assert_eq!(corner(&layer, 0), [300.0, 0.0, 100.0, 50.0]);
        layer.placement.scale = Curve::Still(Micro(MICRO / 2));
        assert_eq!(corner(&layer, 0), [350.0, 0.0, 50.0, 25.0]);
    }

    #[test]
    fn a_layer_has_no_pose_outside_its_span() {
        assert_eq!(layer().pose_at(&CANVAS, 100), None);
    }

    #[test]
    fn a_carousel_begins_and_ends_just_outside() {
        let mut layer = layer();
        layer.enter = transition(TransitionKind::Carousel(Direction::Left), 0);
        layer.leave = transition(TransitionKind::Carousel(Direction::Left), 90);
        assert_eq!(corner(&layer, 0)[0], 400.0);
        assert_eq!(corner(&layer, 10)[0], 300.0);
        assert_eq!(corner(&layer, 90)[0], 300.0);
        assert_eq!(corner(&layer, 99)[0], 300.0 - 0.9 * 400.0);
    }

    #[test]
    fn a_fade_is_half_opaque_halfway() {
        let mut layer = layer();
        layer.enter = transition(TransitionKind::Fade, 0);
        layer.leave = transition(TransitionKind::Fade, 90);
        let opacity = |frame| layer.pose_at(&CANVAS, frame).expect("shows").opacity;
        assert_eq!(
            [opacity(0), opacity(5), opacity(10), opacity(90), opacity(95)],
            [0.0, 0.5, 1.0, 1.0, 0.5]
        );
    }

    #[test]
    fn a_wipe_uncovers_and_covers_the_same_way() {
        let mut layer = layer();
        layer.enter = transition(TransitionKind::Wipe(Direction::Right), 0);
        layer.leave = transition(TransitionKind::Wipe(Direction::Right), 90);
        let clip = |frame| layer.pose_at(&CANVAS, frame).expect("shows").clip;
        assert_eq!(clip(4), [0.0, 0.0, 0.4, 1.0]);
        assert_eq!(clip(95), [0.5, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_drift_grows_about_the_middle() {
        let mut layer = layer();
        let none = [Micro::ZERO, Micro::ZERO];
        layer.placement.drift =
            Some(Drift { frames: 100, scale: [Micro::ONE, Micro::whole(2)], x: none, y: none });
        assert_eq!(corner(&layer, 50), [275.0, -12.5, 150.0, 75.0]);
    }

    #[test]
    fn the_matrix_turns_clockwise_about_the_middle() {
        let mut layer = layer();
        layer.placement.angle = Curve::Still(Micro::whole(90));
        let [a, b, c, d, e, f] = layer.pose_at(&CANVAS, 0).expect("shows").matrix();
        // The box's top left corner (300, 0 to 400, 50) goes to the top right of the turned one.
        assert!((e - 375.0).abs() < 1e-9 && (f + 25.0).abs() < 1e-9, "{e} {f}");
        assert!((a + c + e - 325.0).abs() < 1e-9 && (b + d + f - 75.0).abs() < 1e-9);
    }
}
