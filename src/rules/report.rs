//! What is wrong with a rule, and how a person is told.

use std::ops::Range;

/// One mistake in one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// Where, in bytes of the rule's text.
    pub span: Range<usize>,
    /// What, in a few words.
    pub message: String,
    /// What to write instead, if we can say.
    pub hint: Option<String>,
}

impl RuleError {
    /// A mistake at that place.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        RuleError { span, message: message.into(), hint: None }
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
