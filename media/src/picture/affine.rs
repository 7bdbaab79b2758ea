//! Affine motion in the plane, in continuous coordinates: pixel `i` covers `[i, i + 1)`.

/// The map `x' = a·x + c·y + e`, `y' = b·x + d·y + f`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    pub a: f64,
    pub b: f64,
    pub c: f64,
    pub d: f64,
    pub e: f64,
    pub f: f64,
}

impl Affine {
    /// The identity.
    pub const IDENTITY: Self = Self { a: 1.0, b: 0.0, c: 0.0, d: 1.0, e: 0.0, f: 0.0 };

    /// Returns the shift by (`x`, `y`).
    #[must_use]
    pub const fn shift(x: f64, y: f64) -> Self {
        Self { e: x, f: y, ..Self::IDENTITY }
    }

    /// Returns the scaling about the origin. A negative factor mirrors.
    #[must_use]
    pub const fn scale(x: f64, y: f64) -> Self {
        Self { a: x, d: y, ..Self::IDENTITY }
    }

    /// Returns this motion followed by `next`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            a: next.a * self.a + next.c * self.b,
            b: next.b * self.a + next.d * self.b,
            c: next.a * self.c + next.c * self.d,
            d: next.b * self.c + next.d * self.d,
            e: next.a * self.e + next.c * self.f + next.e,
            f: next.b * self.e + next.d * self.f + next.f,
        }
    }

    /// Maps a point.
    #[must_use]
    pub fn apply(self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f)
    }

    /// Returns the inverse motion, or `None` if the motion collapses a dimension.
    #[must_use]
    pub fn inverse(self) -> Option<Self> {
        let area = self.a * self.d - self.b * self.c;
        (area.abs() > 1e-9).then(|| {
            let (a, b) = (self.d / area, -self.b / area);
            let (c, d) = (-self.c / area, self.a / area);
            Self { a, b, c, d, e: -(a * self.e + c * self.f), f: -(b * self.e + d * self.f) }
        })
    }

    /// Returns whether rows stay rows and columns stay columns; they may be mirrored.
    #[must_use]
    pub fn is_upright(self) -> bool {
        self.b == 0.0 && self.c == 0.0
    }

    /// Returns the smaller of the two factors by which lengths change.
    #[must_use]
    pub fn least_scale(self) -> f64 {
        self.a.hypot(self.b).min(self.c.hypot(self.d))
    }

    /// Returns the box around a moved `width × height` picture: left, top, right, bottom.
    #[must_use]
    pub fn bounds(self, width: f64, height: f64) -> [f64; 4] {
        let corners = [
            self.apply(0.0, 0.0),
            self.apply(width, 0.0),
            self.apply(0.0, height),
            self.apply(width, height),
        ];
        corners.into_iter().fold(
            [f64::MAX, f64::MAX, f64::MIN, f64::MIN],
            |[left, top, right, bottom], (x, y)| {
                [left.min(x), top.min(y), right.max(x), bottom.max(y)]
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_motion_and_its_inverse_cancel() {
        let there = Affine { a: 0.8, b: 0.6, c: -0.6, d: 0.8, e: 0.0, f: 0.0 }
            .then(Affine::scale(2.0, 0.5))
            .then(Affine::shift(7.0, -3.0));
        let back = there.inverse().expect("it can be undone");
        let (x, y) = there.apply(11.0, 13.0);
        let (x, y) = back.apply(x, y);
        assert!((x - 11.0).abs() < 1e-9 && (y - 13.0).abs() < 1e-9);
        assert_eq!(Affine::scale(0.0, 1.0).inverse(), None);
    }
}
