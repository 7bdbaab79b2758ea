//! The prompts: files in `worker/prompts`. The version of a prompt is the version of its kind, and
//! so part of every key. To change a prompt, add a file, raise the version in the kind's spec, and
//! add a line to the test below.

/// The instruction to a model for one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prompt {
    pub name: &'static str,
    pub version: u32,
    text: &'static str,
}

impl Prompt {
    pub const SCRIPT: Self =
        Self { name: "script", version: 1, text: include_str!("../../prompts/script.v1.md") };
    pub const IDEAS: Self =
        Self { name: "ideas", version: 1, text: include_str!("../../prompts/ideas.v1.md") };
    pub const HOOK: Self =
        Self { name: "hook", version: 1, text: include_str!("../../prompts/hook.v1.md") };
    pub const SCORE: Self =
        Self { name: "score", version: 1, text: include_str!("../../prompts/score.v1.md") };

    /// Returns the text for a language. The language must be a checked language tag.
    pub fn text(&self, language: &str) -> String {
        self.text.replace("{language}", language)
    }

    /// Returns the name that results use: `script@1`.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::kinds;

    #[test]
    fn a_prompt_has_the_version_of_its_kind_and_does_not_change_under_it() {
        let cases = [
            (Prompt::SCRIPT, kinds::script::SPEC),
            (Prompt::IDEAS, kinds::ideas::SPEC),
            (Prompt::HOOK, kinds::hook::SPEC),
            (Prompt::SCORE, kinds::score::SPEC),
        ];
        let of = |(prompt, spec): (Prompt, common::kind::KindSpec)| {
            assert_eq!((prompt.name, prompt.version), (spec.name, spec.version));
            blake3::hash(prompt.text.as_bytes()).to_hex()[..16].to_owned()
        };
        assert_eq!(
            cases.map(of),
            ["f01ef36e70957b48", "3d99474e68e79436", "abba82480fcec534", "5df4936dd967b5da"],
            "a changed prompt is a new file with a raised version"
        );
    }
}
