//! The audit trail: one entry per version of an entity, each hashed over the one before.
//!
//! The record is the exact text that is stored; its hash is SHA-256 over the previous hash (64 zeros before the
//! first) followed by the record's bytes. An entry that is removed, edited or overwritten breaks the chain.

use data_encoding::HEXLOWER;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::Time;
use crate::id::{TenantId, UserId};

/// The hash before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Who does something, and in which invocation.
#[derive(Clone, Debug)]
pub struct Actor {
    /// For whom.
    pub tenant_id: TenantId,
    /// The user, or `system:…` for what nobody asked for.
    pub user_id: UserId,
    /// Of the invocation.
    pub request_id: String,
}

/// What the trail is about: the last two parts of `tenant/type/id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entity<'a> {
    /// `invoice`, `tenant`, `method`, `alert`, or `requests` for refused ones.
    pub kind: &'static str,
    /// The id.
    pub id: &'a str,
}

impl Entity<'_> {
    /// The partition key of the trail.
    #[must_use]
    pub fn key(&self, tenant: &TenantId) -> String {
        format!("{tenant}/{}/{}", self.kind, self.id)
    }
}

/// The parts of a record, in the order in which they are written.
#[derive(Debug, Serialize)]
struct Record<'a> {
    tenant_id: &'a TenantId,
    user_id: &'a UserId,
    action: &'a str,
    entity_type: &'a str,
    entity_id: &'a str,
    seq: u64,
    changes: &'a Value,
    at: Time,
    request_id: &'a str,
}

/// One entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `tenant/type/id`.
    pub entity: String,
    /// Equals the entity's version after the change; starts at 1.
    pub seq: u64,
    /// Exact JSON text of what happened.
    pub record: String,
    /// Lower-case hex over the previous hash and the record.
    pub hash: String,
    /// `tenant#YYYY-MM-DD` (UTC): key of the index by day.
    pub tenant_day: String,
    /// When.
    pub at: Time,
}

/// The key of the index by day: `tenant#YYYY-MM-DD`, a day in UTC.
#[must_use]
pub fn day_key(tenant: &TenantId, day: Date) -> String {
    format!("{tenant}#{day}")
}

/// The end of an entity's trail: what the entity's own item carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last entry; 0 before the first.
    pub version: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { version: 0, hash: GENESIS.to_owned() }
    }
}

impl Head {
    /// The next entry, and the head that it makes.
    #[must_use]
    pub fn append(&self, actor: &Actor, entity: Entity<'_>, action: &str, changes: &Value, at: Time) -> (Self, Entry) {
        let seq = self.version + 1;
        let record = Record {
            tenant_id: &actor.tenant_id,
            user_id: &actor.user_id,
            action,
            entity_type: entity.kind,
            entity_id: entity.id,
            seq,
            changes,
            at,
            request_id: &actor.request_id,
        };
        // A record is plain strings, numbers and a JSON value: it always has a JSON text.
        let record = serde_json::to_string(&record).unwrap_or_default();
        let hash = chain(&self.hash, &record);
        let entry = Entry {
            entity: entity.key(&actor.tenant_id),
            seq,
            hash: hash.clone(),
            tenant_day: day_key(&actor.tenant_id, at.date_in(&TimeZone::UTC)),
            at,
            record,
        };
        (Self { version: seq, hash }, entry)
    }
}

/// What has a trail of its own.
pub trait Audited {
    /// The trail.
    fn entity(&self) -> Entity<'_>;
    /// Where it ends.
    fn head(&self) -> Head;
    /// Moves its end.
    fn set_head(&mut self, head: Head);

    /// Moves the version on and makes the entry that goes with it.
    #[must_use = "a change without its audit entry did not happen"]
    fn record(&mut self, actor: &Actor, action: &str, changes: &Value, at: Time) -> Entry {
        let (head, entry) = self.head().append(actor, self.entity(), action, changes, at);
        self.set_head(head);
        entry
    }
}

macro_rules! audited {
    ($type:ty, $kind:literal, $id:ident) => {
        impl crate::model::audit::Audited for $type {
            fn entity(&self) -> crate::model::audit::Entity<'_> {
                crate::model::audit::Entity { kind: $kind, id: self.$id.as_str() }
            }

            fn head(&self) -> crate::model::audit::Head {
                crate::model::audit::Head { version: self.version, hash: self.audit_head.clone() }
            }

            fn set_head(&mut self, head: crate::model::audit::Head) {
                self.version = head.version;
                self.audit_head = head.hash;
            }
        }
    };
}
pub(crate) use audited;

/// Lower-case hex SHA-256 of the previous hash followed by the record's bytes.
#[must_use]
pub fn chain(previous: &str, record: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(previous.as_bytes());
    hash.update(record.as_bytes());
    HEXLOWER.encode(&hash.finalize())
}

/// Whether `entries`, in their order, are a whole and unbroken trail that ends in `head`.
#[must_use]
pub fn is_intact(entries: &[Entry], head: &Head) -> bool {
    let mut at = Head::default();
    for entry in entries {
        let says_its_number = serde_json::from_str::<Value>(&entry.record)
            .is_ok_and(|record| record.get("seq").and_then(Value::as_u64) == Some(entry.seq));
        if entry.seq != at.version + 1 || entry.hash != chain(&at.hash, &entry.record) || !says_its_number {
            return false;
        }
        at = Head { version: entry.seq, hash: entry.hash.clone() };
    }
    at == *head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(length: u64) -> (Vec<Entry>, Head) {
        let actor =
            Actor { tenant_id: "acme".parse().unwrap(), user_id: "jdoe".parse().unwrap(), request_id: "r".to_owned() };
        let mut head = Head::default();
        let mut entries = Vec::new();
        for step in 0..length {
            let changes = serde_json::json!({ "step": step });
            let entity = Entity { kind: "invoice", id: "INV-1" };
            let (next, entry) = head.append(&actor, entity, "create", &changes, Time::from_millis(1_700_000_000_000));
            head = next;
            entries.push(entry);
        }
        (entries, head)
    }

    #[test]
    fn an_untouched_trail_is_intact() {
        let (entries, head) = trail(4);
        assert!(is_intact(&entries, &head));
        assert!(is_intact(&[], &Head::default()));
    }

    #[test]
    fn a_removed_entry_is_found_wherever_it_was() {
        for gone in 0..4 {
            let (mut entries, head) = trail(4);
            entries.remove(gone);
            assert!(!is_intact(&entries, &head), "entry {gone} removed");
        }
    }

    #[test]
    fn an_edited_record_is_found_even_with_its_own_hash_made_anew() {
        let (mut entries, head) = trail(4);
        entries[1].record = entries[1].record.replace("jdoe", "eve0");
        assert!(!is_intact(&entries, &head));
        entries[1].hash = chain(&entries[0].hash, &entries[1].record);
        assert!(!is_intact(&entries, &head));
    }

    #[test]
    fn a_rewritten_tail_does_not_fit_the_head() {
        let (_, head) = trail(4);
        let (mut other, _) = trail(3);
        let actor =
            Actor { tenant_id: "acme".parse().unwrap(), user_id: "eve".parse().unwrap(), request_id: "r".to_owned() };
        let at = Head { version: 3, hash: other[2].hash.clone() };
        let entity = Entity { kind: "invoice", id: "INV-1" };
        other.push(at.append(&actor, entity, "create", &Value::Null, Time::from_millis(1_700_000_000_000)).1);
        assert!(!is_intact(&other, &head));
    }

    #[test]
    fn the_hash_is_that_of_the_previous_hash_and_the_exact_text() {
        let (entries, _) = trail(1);
        let text = format!("{GENESIS}{}", entries[0].record);
        assert_eq!(entries[0].hash, HEXLOWER.encode(&Sha256::digest(text.as_bytes())));
        let keys = ["tenant_id", "user_id", "action", "entity_type", "entity_id", "seq", "changes", "at", "request_id"];
        let places: Vec<_> = keys.iter().map(|key| entries[0].record.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{}", entries[0].record);
    }
}
