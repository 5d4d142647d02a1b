//! Ids: what they look like and how ours are made.
//!
//! An id of ours is a prefix and the first 130 bits of SHA-256 over its parts, in lower-case base 32. Each part is
//! preceded by its length, so that no two lists of parts read the same; the first names the kind of id. The same
//! request therefore always makes the same id, and that id is what keeps it from being executed twice.

use std::fmt;

use data_encoding::{BASE32, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Time;

/// Why a text is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct InvalidId {
    expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId { expected: $expected }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A tenant: one company using the deployment.
    TenantId,
    "a tenant id matches [a-z0-9][a-z0-9-]{0,62}",
    |text| {
        (1..=63).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }
);
id!(
    /// A user of a tenant, as the identity provider names them.
    UserId,
    "a user id has 1 to 100 visible ASCII characters other than / \\ ? # %",
    // Those change meaning in a path, and API Gateway decodes paths.
    |text| (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && !b"/\\?#%".contains(&b))
);
id!(
    /// An invoice; chosen by the client or made by us.
    InvoiceId,
    "an invoice id matches [A-Za-z0-9._-]{1,64}",
    |text| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    }
);
id!(
    /// A customer or vendor, as the tenant names them.
    PartyId,
    "a customer or vendor id matches [A-Za-z0-9._@:-]{1,64}",
    |text| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@:-".contains(&b))
    }
);
id!(
    /// A payment of ours, `pay_…`.
    PaymentId,
    "a payment id is pay_ and 26 characters",
    |text| is_ours(text, "pay_")
);
id!(
    /// A scheduled payment, `sch_…`.
    ScheduleId,
    "a scheduled payment id is sch_ and 26 characters",
    |text| is_ours(text, "sch_")
);
id!(
    /// A refund, `ref_…`.
    RefundId,
    "a refund id is ref_ and 26 characters",
    |text| is_ours(text, "ref_")
);
id!(
    /// A payment method, `mth_…`.
    MethodId,
    "a payment method id is mth_ and 26 characters",
    |text| is_ours(text, "mth_")
);
id!(
    /// An alert, `alr_…`.
    AlertId,
    "an alert id is alr_ and 26 characters",
    |text| is_ours(text, "alr_")
);

impl UserId {
    /// Who acts when nobody asked: recovery.
    #[must_use]
    pub fn system() -> Self {
        Self("system:recovery".to_owned())
    }

    /// Who pays what is due: the executor.
    #[must_use]
    pub fn executor() -> Self {
        Self("system:executor".to_owned())
    }

    /// Who acts when a gateway tells: the receiver of webhooks.
    #[must_use]
    pub fn webhook() -> Self {
        Self("system:webhook".to_owned())
    }

    /// Whether it is one of our own names, which no caller may have.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.starts_with("system:")
    }
}

impl PaymentId {
    /// Of a request with an idempotency key.
    #[must_use]
    pub fn keyed(tenant: &TenantId, key: &str) -> Self {
        Self(ours("pay_", &["key", tenant.as_str(), key]))
    }

    /// Of a request without a key: the invoice's `attempt`th.
    #[must_use]
    pub fn attempt(tenant: &TenantId, invoice: &InvoiceId, attempt: u32) -> Self {
        Self(ours("pay_", &["attempt", tenant.as_str(), invoice.as_str(), &attempt.to_string()]))
    }
}

impl PaymentId {
    /// Of a scheduled payment: its `occurrence`th.
    #[must_use]
    pub fn occurrence(tenant: &TenantId, schedule: &ScheduleId, occurrence: u32) -> Self {
        Self(ours("pay_", &["occurrence", tenant.as_str(), schedule.as_str(), &occurrence.to_string()]))
    }
}

impl ScheduleId {
    /// Of a request with an idempotency key.
    #[must_use]
    pub fn keyed(tenant: &TenantId, key: &str) -> Self {
        Self(ours("sch_", &["schedule", tenant.as_str(), key]))
    }

    /// Of a request without a key: the invoice's `attempt`th.
    #[must_use]
    pub fn attempt(tenant: &TenantId, invoice: &InvoiceId, attempt: u32) -> Self {
        Self(ours("sch_", &["schedule-attempt", tenant.as_str(), invoice.as_str(), &attempt.to_string()]))
    }

    /// Made by the policy from a payment that failed for want of money.
    #[must_use]
    pub fn retry(tenant: &TenantId, failed: &PaymentId) -> Self {
        Self(ours("sch_", &["retry", tenant.as_str(), failed.as_str()]))
    }
}

impl RefundId {
    /// Of a request: refunds always have an idempotency key.
    #[must_use]
    pub fn keyed(tenant: &TenantId, key: &str) -> Self {
        Self(ours("ref_", &["refund", tenant.as_str(), key]))
    }

    /// Of a refund that was made at the gateway without us.
    #[must_use]
    pub fn external(tenant: &TenantId, gateway: &str, reference: &str) -> Self {
        Self(ours("ref_", &["external", tenant.as_str(), gateway, reference]))
    }
}

impl MethodId {
    /// Of the gateway's own id of the method: added twice, it is the same item.
    #[must_use]
    pub fn of(tenant: &TenantId, gateway: &str, reference: &str) -> Self {
        Self(ours("mth_", &["method", tenant.as_str(), gateway, reference]))
    }
}

impl AlertId {
    /// Of a kind of alert about one thing: raised again, it is the same alert.
    #[must_use]
    pub fn of(tenant: &TenantId, kind: &str, entity: &str) -> Self {
        Self(ours("alr_", &["alert", tenant.as_str(), kind, entity]))
    }
}

impl InvoiceId {
    /// Of a request with an idempotency key: a version 8 UUID (RFC 9562).
    #[must_use]
    pub fn keyed(tenant: &TenantId, key: &str) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = digest(&["invoice", tenant.as_str(), key]);
        Self(Uuid::new_v8([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]).to_string())
    }

    /// A new one, in the order of time: a version 7 UUID (RFC 9562).
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self(time_ordered(now).to_string())
    }
}

/// A new UUID whose order is that of time (version 7, RFC 9562).
#[must_use]
pub fn time_ordered(now: Time) -> Uuid {
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let nanos = u32::try_from(now.millis().rem_euclid(1000) * 1_000_000).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}

/// The fingerprint by which a repeated request is told from another one under the same key: 130 bits.
#[must_use]
pub fn fingerprint(parts: &[&str]) -> String {
    ours("", parts)
}

/// Lower-case hex SHA-256 over length-prefixed parts.
#[must_use]
pub fn hash_hex(parts: &[&str]) -> String {
    HEXLOWER.encode(&digest(parts))
}

/// The first 35 bits over a payment id and a counter, for the confirmation number.
pub(crate) fn confirmation_bits(payment: &PaymentId, round: u8) -> u64 {
    let [a, b, c, d, e, ..] = digest(&["confirmation", payment.as_str(), &round.to_string()]);
    u64::from_be_bytes([0, 0, 0, a, b, c, d, e]) >> 5
}

/// Number of characters after the prefix: 130 bits in base 32.
const LENGTH: usize = 26;

pub(crate) fn ours(prefix: &str, parts: &[&str]) -> String {
    let text = BASE32.encode(&digest(parts)).to_ascii_lowercase();
    format!("{prefix}{}", text.get(..LENGTH).unwrap_or(&text))
}

fn is_ours(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        rest.len() == LENGTH && rest.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b))
    })
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    #[test]
    fn the_same_request_makes_the_same_id_and_another_makes_another() {
        let id = PaymentId::keyed(&tenant(), "k1");
        assert_eq!(id, PaymentId::keyed(&tenant(), "k1"));
        assert_ne!(id, PaymentId::keyed(&tenant(), "k2"));
        assert_ne!(id, PaymentId::keyed(&"acme2".parse().unwrap(), "k1"));
        assert_eq!(id.as_str().parse::<PaymentId>().as_ref(), Ok(&id));
    }

    #[test]
    fn moving_a_character_between_parts_makes_another_id() {
        assert_ne!(hash_hex(&["ab", "c"]), hash_hex(&["a", "bc"]));
        assert_ne!(hash_hex(&["ab", ""]), hash_hex(&["ab"]));
    }

    #[test]
    fn ids_outside_their_alphabet_are_refused() {
        for bad in ["", "-acme", "Acme", "a_b", "a/b", "a#b", &"a".repeat(64)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
        for bad in ["", "a b", "a/b", "bill#1", "ü", &"a".repeat(65)] {
            assert!(bad.parse::<InvoiceId>().is_err(), "{bad}");
        }
        for bad in ["pay_", "pay_short", "pi_abcdefghijklmnopqrstuvwxyz", "pay_ABCDEFGHIJKLMNOPQRSTUVWXYZ"] {
            assert!(bad.parse::<PaymentId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_invoice_id_made_from_a_key_is_a_version_8_uuid() {
        let id = InvoiceId::keyed(&tenant(), "k");
        assert_eq!(Uuid::parse_str(id.as_str()).unwrap().get_version_num(), 8);
        assert_eq!(id, InvoiceId::keyed(&tenant(), "k"));
    }
}
