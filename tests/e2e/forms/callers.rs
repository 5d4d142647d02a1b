//! The permission that the document names is the one that an operation asks for.

use serde_json::{Value, json};
use shared::model::tenant::{Limits, Member, Role};
use shared::policy::roles::Permission;
use shared::store::commit::Commit;

use super::stage::{Call, Form, Stage};
use super::walk;
use crate::openapi::document::{Operation, operations};
use crate::world::TENANT;

/// The permission that the document names.
fn named(operation: &Operation) -> Option<Permission> {
    let about = operation.entry["description"].as_str()?;
    let (_, rest) = about.split_once("Needs the permission `")?;
    let (name, _) = rest.split_once('`')?;
    Permission::ALL.iter().copied().find(|permission| permission.to_string() == name)
}

/// Every operation with its permission.
fn all() -> Vec<(Operation, Permission)> {
    let of_api: Vec<Operation> = operations().into_iter().filter(|one| !one.path.starts_with("/webhooks")).collect();
    let count = of_api.len();
    let with: Vec<_> = of_api.into_iter().filter_map(|one| Some((named(&one)?, one))).map(|(a, b)| (b, a)).collect();
    assert_eq!(with.len(), count, "operations whose permission is named");
    with
}

/// A good request in somebody's name, about what is not there.
async fn ask(stage: &Stage, forms: &[Form], token: &str, operation: &Operation) -> local::client::Answer {
    let form = forms.iter().find(|form| form.operation.entry["operationId"] == operation.entry["operationId"]);
    let query: &[(&str, &str)] = if operation.path == "/audit" { &[("day", "2026-01-15")] } else { &[] };
    let headers: [(&str, &[u8]); 1] = [("Idempotency-Key", b"callers")];
    let (id, body) = (walk::id(&operation.path), form.map(|form| form.body.to_string()));
    stage.call_with(token, Call { operation, id: &id, query, headers: &headers, body }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_asks_for_the_permission_that_the_document_names() {
    let stage = Stage::new().await;
    let world = &stage.world;
    // Every role may read something: a member without any.
    let member = Member {
        tenant_id: TENANT.parse().unwrap(),
        user_id: "nobody".parse().unwrap(),
        roles: [].into(),
        approval_limits: Limits::default(),
        created_at: world.clock.now(),
    };
    let store = &world.stack.app.store;
    let mut commit = Commit::default();
    commit.member(store, &member);
    store.commit(commit, world.clock.now().plus(std::time::Duration::from_secs(10))).await.unwrap();
    let token = local::token::issue("nobody", TENANT, &[], &world.clock).unwrap();
    let before = stage.written().await;
    let forms = stage.forms();
    for (operation, permission) in all() {
        let answer = ask(&stage, &forms, &token, &operation).await;
        let what = format!("{}: {}", operation.entry["operationId"], answer.body);
        assert_eq!((answer.status, answer.codes().as_slice()), (403, ["permission_denied"].as_slice()), "{what}");
        let told = format!("nobody has no role with the permission {permission}.");
        assert_eq!(answer.body["errors"][0]["detail"], json!(told), "{what}");
    }
    stage.is_as(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_do_what_needs_one_of_its_permissions_and_nothing_else() {
    let stage = Stage::new().await;
    let forms = stage.forms();
    for role in Role::ALL {
        let user = format!("a-{role}");
        stage.world.member(&user, &[role.as_str()], None).await;
        let token = local::token::issue(&user, TENANT, &[], &stage.world.clock).unwrap();
        for (operation, permission) in all() {
            let answer = ask(&stage, &forms, &token, &operation).await;
            let what = format!("{user} {}: {}", operation.entry["operationId"], answer.body);
            assert_eq!(answer.codes() == ["permission_denied"], !role.grants(permission), "{what}");
            assert!(answer.status < 500 && answer.body.get("errors").is_none_or(Value::is_array), "{what}");
        }
    }
}
