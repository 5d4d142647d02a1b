//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): quoted as the draft writes it, or bare.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::problem::Problem;
use crate::policy::refusal::{Code, Refusal};

/// The key of a request, if it has one; or what is wrong with it.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(pub Result<Option<String>, Refusal>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let (first, second) = (values.next(), values.next());
        Ok(Self(match (first, second) {
            (None, _) => Ok(None),
            (Some(value), None) => parse(value.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(malformed()),
        }))
    }
}

fn parse(value: &[u8]) -> Result<String, Refusal> {
    let text = std::str::from_utf8(value).map_err(|_| malformed())?.trim();
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if !(1..=255).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(malformed());
    }
    Ok(text.to_owned())
}

fn malformed() -> Refusal {
    Refusal::new(Code::IdempotencyKeyInvalid, "One Idempotency-Key of 1 to 255 visible ASCII characters is expected.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_key_is_the_same_as_a_bare_one() {
        assert_eq!(parse(b"\"8e03978e\"").unwrap(), "8e03978e");
        assert_eq!(parse(b"8e03978e").unwrap(), "8e03978e");
    }

    #[test]
    fn keys_that_are_empty_long_or_not_visible_are_refused() {
        for bad in [&b""[..], b"\"\"", b"a b", "ü".as_bytes(), &[b'a'; 256]] {
            assert_eq!(parse(bad).unwrap_err().code, Code::IdempotencyKeyInvalid);
        }
    }
}
