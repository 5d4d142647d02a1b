//! Who approves what: limits, four eyes, a second approver, and nobody locks everybody out.

use local::client::Answer;
use serde_json::json;

use crate::world::{ADMIN, World, refused};

async fn approve(world: &World, user: &str, invoice: &str) -> Answer {
    world.user(user).post(&format!("/invoices/{invoice}/approve"), &json!({})).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_approves_up_to_the_limit_in_its_currency_and_not_above() {
    let world = World::new().await;
    world.member("jdoe", &["approver"], Some(50_000)).await;
    world.member("clerk", &["clerk"], Some(50_000)).await;
    let at = world.draft(json!({ "amount": 50_000 })).await;
    let above = world.draft(json!({ "amount": 50_001 })).await;
    let euro = world.draft(json!({ "amount": 1_000, "currency": "EUR" })).await;
    refused(&approve(&world, "clerk", &at).await, 403, &["permission_denied"]);
    refused(&approve(&world, "jdoe", &above).await, 403, &["approval_limit_exceeded"]);
    refused(&approve(&world, "jdoe", &euro).await, 403, &["approval_limit_exceeded"]);
    let approved = approve(&world, "jdoe", &at).await;
    assert_eq!((approved.status, &approved.body["status"]), (200, &json!("approved")));
    for draft in [above, euro] {
        assert_eq!(world.invoice(&draft).await["status"], json!("draft"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_given_again_changes_nothing_and_another_ones_is_too_late() {
    let world = World::new().await;
    world.member("jdoe", &["approver"], Some(50_000)).await;
    let invoice = world.approved(json!({})).await;
    assert_eq!(approve(&world, ADMIN, &invoice).await.status, 200);
    refused(&approve(&world, "jdoe", &invoice).await, 409, &["invoice_approved"]);
    assert_eq!(world.trail(&invoice).await, ["create", "approve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_threshold_two_different_people_must_approve_each_within_the_limit() {
    let world = World::new().await;
    world.member("jdoe", &["approver"], Some(50_000)).await;
    world.member("low", &["approver"], Some(49_999)).await;
    assert_eq!(world.settings(json!({ "second_approval_above": { "USD": 40_000 } })).await.status, 200);
    let one_is_enough = world.draft(json!({ "amount": 40_000 })).await;
    assert_eq!(approve(&world, "jdoe", &one_is_enough).await.status, 200);

    let invoice = world.draft(json!({})).await;
    let first = approve(&world, "jdoe", &invoice).await;
    assert_eq!((first.status, &first.body["status"]), (202, &json!("draft")));
    assert_eq!(first.body["approvals"][0]["user_id"], json!("jdoe"));
    assert_eq!(approve(&world, "jdoe", &invoice).await.status, 202, "the same person again is no second one");
    refused(&world.pay(&invoice, json!({})).await, 409, &["invoice_not_approved"]);
    refused(&approve(&world, "low", &invoice).await, 403, &["approval_limit_exceeded"]);
    let second = approve(&world, ADMIN, &invoice).await;
    assert_eq!((second.status, &second.body["status"]), (200, &json!("approved")));
    assert_eq!(world.trail(&invoice).await, ["create", "approve", "approve"]);
    assert_eq!(world.pay(&invoice, json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_approval_counts_only_while_its_member_could_still_give_it() {
    let world = World::new().await;
    world.member("jdoe", &["approver"], Some(50_000)).await;
    world.member("mary", &["approver"], Some(50_000)).await;
    assert_eq!(world.settings(json!({ "second_approval_above": { "USD": 40_000 } })).await.status, 200);
    let invoice = world.draft(json!({})).await;
    assert_eq!(approve(&world, "jdoe", &invoice).await.status, 202);
    world.member("jdoe", &["approver"], Some(1)).await;
    assert_eq!(approve(&world, "mary", &invoice).await.status, 202, "one approval is left, hers");
    // The admin created it: his approval counts until four eyes are asked for.
    let other = world.draft(json!({})).await;
    assert_eq!(approve(&world, ADMIN, &other).await.status, 202);
    let both = json!({ "second_approval_above": { "USD": 40_000 }, "four_eyes": true });
    assert_eq!(world.settings(both).await.status, 200);
    assert_eq!(approve(&world, "mary", &other).await.status, 202);
    world.member("jdoe", &["approver"], Some(50_000)).await;
    assert_eq!(approve(&world, "jdoe", &invoice).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_four_eyes_the_creator_neither_approves_nor_answers_for_the_payment() {
    let world = World::new().await;
    world.member("jdoe", &["approver"], Some(50_000)).await;
    let before = world.approved(json!({})).await;
    assert_eq!(world.settings(json!({ "four_eyes": true })).await.status, 200);
    let invoice = world.draft(json!({})).await;
    refused(&approve(&world, ADMIN, &invoice).await, 403, &["four_eyes"]);
    assert_eq!(approve(&world, "jdoe", &invoice).await.status, 200);
    // The admin created it: the recorded approver answers.
    let paid = world.pay(&invoice, json!({})).await;
    assert_eq!((paid.status, &paid.body["approved_by"]), (201, &json!(["jdoe"])));
    // Approved by its creator before the setting was made: it does not count any more.
    refused(&world.pay(&before, json!({})).await, 403, &["four_eyes"]);
    refused(&world.pay(&before, json!({ "approved_by": ADMIN })).await, 403, &["four_eyes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_change_people_or_settings_so_that_nobody_can_approve() {
    let world = World::new().await;
    let admin = world.admin();
    let path = format!("/members/{ADMIN}");
    let no_limit = json!({ "roles": ["admin"] });
    refused(&admin.put(&path, &no_limit).await.unwrap(), 409, &["locks_out"]);
    refused(
        &admin.put(&path, &json!({ "roles": ["clerk"], "approval_limits": { "*": null } })).await.unwrap(),
        409,
        &["locks_out"],
    );
    refused(&admin.send(reqwest::Method::DELETE, &path, None, None).await.unwrap(), 409, &["locks_out"]);
    // The only approver is the only one who enters invoices: four eyes would lock both out, and says so.
    let answer = world.settings(json!({ "four_eyes": true })).await;
    refused(&answer, 409, &["locks_out"]);
    assert!(answer.body["detail"].as_str().unwrap().contains("somebody else"), "{}", answer.body);

    world.member("clerk", &["clerk"], None).await;
    assert_eq!(world.settings(json!({ "four_eyes": true })).await.status, 200);
    refused(&admin.send(reqwest::Method::DELETE, "/members/clerk", None, None).await.unwrap(), 409, &["locks_out"]);
    // Nobody but admins could undo it.
    world.member("jdoe", &["approver"], Some(100)).await;
    assert_eq!(world.settings(json!({})).await.status, 200);
    refused(&admin.send(reqwest::Method::DELETE, &path, None, None).await.unwrap(), 409, &["locks_out"]);
    world.member("jdoe", &["admin"], Some(100)).await;
    assert_eq!(admin.send(reqwest::Method::DELETE, "/members/clerk", None, None).await.unwrap().status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_approval_that_nobody_could_give_locks_out() {
    let world = World::new().await;
    let limits = json!({ "roles": ["admin"], "approval_limits": { "USD": 100 } });
    assert_eq!(world.admin().put(&format!("/members/{ADMIN}"), &limits).await.unwrap().status, 200);
    let always_two = json!({ "second_approval_above": { "USD": 0 } });
    refused(&world.settings(always_two.clone()).await, 409, &["locks_out"]);
    world.member("jdoe", &["approver"], Some(100)).await;
    assert_eq!(world.settings(always_two).await.status, 200);
    let gone = world.admin().send(reqwest::Method::DELETE, "/members/jdoe", None, None).await.unwrap();
    refused(&gone, 409, &["locks_out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_admins_who_remove_each_other_at_once_one_stays() {
    for _ in 0..5 {
        let world = World::new().await;
        let limits = json!({ "roles": ["admin"], "approval_limits": { "*": null } });
        assert_eq!(world.admin().put("/members/jdoe", &limits).await.unwrap().status, 200);
        let (one, other) = (world.admin(), world.user("jdoe"));
        let path = format!("/members/{ADMIN}");
        let (a, b) = tokio::join!(
            one.send(reqwest::Method::DELETE, "/members/jdoe", None, None),
            other.send(reqwest::Method::DELETE, &path, None, None),
        );
        let mut statuses = [a.unwrap().status, b.unwrap().status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 403]);
    }
}
