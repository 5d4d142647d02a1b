//! Secrets that are written: what opens a bank account, kept and forgotten.

use serde_json::json;
use shared::bounds;
use shared::id::{MethodId, TenantId};
use shared::secrets::{BankAccess, SecretError};

use crate::world::{TENANT, World};

/// Whose secret, which, its name, and what it holds.
fn access() -> (TenantId, MethodId, String, BankAccess) {
    let tenant: TenantId = TENANT.parse().unwrap();
    let method = MethodId::of(&tenant, "plaid", "item.account");
    let name = format!("passerelle/{TENANT}/plaid/{method}");
    (tenant, method, name, serde_json::from_value(json!({ "access_token": "access-CANARY" })).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_writes_are_no_refusal() {
    let world = World::new().await;
    let (tenant, method, _, access) = access();
    let secrets = &world.stack.app.secrets;
    let deadline = world.clock.now().plus(bounds::REQUEST_TIME);
    world.stack.secrets.throttle_next(100);
    let kept = secrets.keep_bank(&tenant, &method, &access, deadline).await;
    assert!(matches!(kept, Err(SecretError::Unavailable { .. })), "{kept:?}");
    let forgotten = secrets.forget_bank(&tenant, &method).await;
    assert!(matches!(forgotten, Err(SecretError::Unavailable { .. })), "{forgotten:?}");
    let read = secrets.bank_as_stored(&tenant, &method).await;
    assert!(matches!(read, Err(SecretError::Unavailable { .. })), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_being_deleted_is_written_anew_only_while_there_is_time() {
    let world = World::new().await;
    let (tenant, method, name, access) = access();
    world.stack.secrets.put(&name, &json!({})).unwrap();
    world.stack.secrets.delete(&name).unwrap();
    let now = world.clock.now();
    let (short, long) = (now.plus(bounds::SETTLE_RESERVE), now.plus(bounds::REQUEST_TIME));
    for (deadline, writes) in [(short, 2), (long, 2 + 2 * u64::from(bounds::SECRET_WRITES))] {
        let kept = world.stack.app.secrets.keep_bank(&tenant, &method, &access, deadline).await;
        assert!(kept.is_err(), "{kept:?}");
        assert_eq!(world.stack.secrets.writes(&name), writes);
    }
}
