//! Asking a language model what may be behind an alert, for a person to read.
//!
//! `case` is what it is told: facts from a list of what may be told, never a text that somebody else has written.
//! `anthropic` is how it is asked. `answer` is what is taken from it: four texts of bounded size, and nothing else. Nothing
//! here decides or moves anything, and nothing in the rest of the house reads the texts.

pub mod answer;
pub mod anthropic;
pub mod case;
