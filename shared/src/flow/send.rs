//! Sending a payment or a refund to its gateway: a few times, under one key, inside the fence.
//!
//! At Plaid a payment is sent in two steps: leave for the transfer, which moves nothing and is written down, and the
//! transfer itself, which is made once under that leave.
//!
//! The outcome is the join of all sends, not the last answer: once one of them is unknown, only the gateway's object,
//! or a success or decline under the same key, ends it.

use super::Invocation;
use super::settle::reread;
use crate::app::App;
use crate::bounds;
use crate::gateway::plaid::Leave;
use crate::gateway::{Answer, Found, NextAction, Outcome, Seen, Trouble, paypal};
use crate::model::movement::Movement;
use crate::model::payment::{Authorization, Gateway, PaymentStatus};
use crate::model::transition::Case;
use crate::money::Money;
use crate::policy::retry;
use crate::secrets::Keys;
use crate::store::commit::{Commit, CommitError};
use crate::telemetry::metrics::GatewayCall;

/// What was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing: the caller has made the reservation.
    Nothing,
    /// Something may have gone through, or may still.
    Unknown,
    /// Something may have gone through, and nothing is under way any more.
    Over,
}

/// What came of the sends.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The join of all of them.
    pub outcome: Outcome,
    /// The gateway's object.
    pub seen: Option<Seen>,
    /// PayPal's order, before there is a capture and above it afterwards.
    pub order: Option<String>,
    /// Plaid's leave to make the transfer, which is not written down yet.
    leave: Option<String>,
    /// When the gateway expects the money to have arrived.
    pub expected: Option<jiff::civil::Date>,
    /// What was paid with it has come back since.
    pub came_back: bool,
    /// It is certain that nothing was ever sent, although no open send says so.
    pub unsent_for_good: bool,
    /// What the customer needs to act.
    pub next_action: Option<NextAction>,
    /// The gateway's own code.
    pub gateway_code: Option<String>,
    /// The gateway refused our key or our request.
    pub rejected: bool,
    /// The object differs from the reservation: nothing of it is believed.
    pub mismatch: bool,
    /// Requests sent.
    pub attempts: u32,
    earlier: Earlier,
}

impl Sent {
    /// Nothing sent so far.
    fn nothing(earlier: Earlier) -> Self {
        let outcome = match earlier {
            Earlier::Nothing => Outcome::NotSent(Trouble::Unreachable),
            Earlier::Unknown | Earlier::Over => Outcome::Unknown(Trouble::Lost),
        };
        Self {
            outcome,
            seen: None,
            order: None,
            leave: None,
            expected: None,
            came_back: false,
            unsent_for_good: false,
            next_action: None,
            gateway_code: None,
            rejected: false,
            mismatch: false,
            attempts: 0,
            earlier,
        }
    }

    /// Of what a look-up found.
    #[must_use]
    pub fn found(movement: Movement<'_>, answer: Answer) -> Self {
        let mut sent = Self::nothing(Earlier::Unknown);
        sent.join(movement, answer);
        sent
    }

    /// Nothing was ever sent, and nothing can be any more.
    #[must_use]
    pub fn never() -> Self {
        let outcome = Outcome::NotSent(Trouble::Lost);
        Self { outcome, unsent_for_good: true, ..Self::nothing(Earlier::Unknown) }
    }

    /// A person's word: taken as it is, where nothing else is to be had.
    #[must_use]
    pub fn said(outcome: Outcome) -> Self {
        Self { outcome, ..Self::nothing(Earlier::Unknown) }
    }

    fn join(&mut self, movement: Movement<'_>, answer: Answer) {
        self.gateway_code = answer.gateway_code.or(self.gateway_code.take());
        self.rejected = trouble(&answer.outcome).is_some_and(Trouble::is_refusal);
        let begun = answer.begun.as_deref();
        let came_back = answer.came_back;
        let is_it = |seen: &Seen| is_ours(movement, seen) || (came_back && is_rest_of_ours(movement, seen));
        if answer.seen.as_ref().is_some_and(|seen| !is_it(seen))
            || begun.is_some_and(|begun| !is_our_order(movement, begun))
        {
            self.mismatch = true;
            self.outcome = Outcome::Unknown(Trouble::Undecided);
            return;
        }
        self.order = answer.begun.map(|begun| begun.reference).or(self.order.take());
        self.came_back = answer.came_back;
        self.expected = answer.expected.or(self.expected);
        self.outcome = match answer.outcome {
            // What it has executed under an id PayPal answers with, for as long as it keeps the id: a refusal shows that
            // it has executed nothing.
            Outcome::Refused(failure) if self.earlier == Earlier::Over && self.attempts == 1 && answer.conclusive => {
                Outcome::Declined(failure)
            }
            outcome => join(&self.outcome, outcome),
        };
        self.seen = answer.seen.or(self.seen.take());
        self.next_action = answer.next_action;
    }
}

/// The outcome after one more answer about it.
#[must_use]
pub fn join(so_far: &Outcome, next: Outcome) -> Outcome {
    match (so_far, next) {
        (Outcome::Unknown(trouble), Outcome::NotSent(_) | Outcome::Refused(_)) => Outcome::Unknown(*trouble),
        (_, next) => next,
    }
}

/// Whether the gateway's object is the one that was reserved.
#[must_use]
pub fn is_ours(movement: Movement<'_>, seen: &Seen) -> bool {
    let carries_ours = seen.our_id.as_deref() == Some(movement.id());
    // Known by the gateway's id, it needs no mark of ours, which somebody may have taken off.
    let is_known = seen.our_id.is_none() && movement.reference() == Some(seen.reference.as_str());
    seen.money == Some(movement.money())
        && (carries_ours || is_known || movement.is_external())
        && movement.reference().is_none_or(|reference| reference == seen.reference)
}

/// Whether what came back of a payment is all that had not been refunded of it.
fn is_rest_of_ours(movement: Movement<'_>, seen: &Seen) -> bool {
    let (Movement::Payment(payment), Some(money)) = (movement, seen.money) else { return false };
    let rest = payment.amount.saturating_sub(payment.refunds.gone()).saturating_sub(payment.disputes.lost);
    rest > 0
        && money == Money { amount_minor: rest, currency: payment.currency }
        && is_ours(movement, &Seen { money: Some(payment.money()), ..seen.clone() })
}

/// Whether an order is the one of the payment that was reserved.
fn is_our_order(movement: Movement<'_>, begun: &Seen) -> bool {
    let Movement::Payment(payment) = movement else { return false };
    paypal::order::is_ours(payment, begun) && movement.order().is_none_or(|order| order == begun.reference)
}

/// Sends what the caller has reserved: its fence the caller has just set. Answers with the case as it is in the books
/// then: Plaid's leave may have been written down.
pub async fn send(app: &App, invocation: &Invocation, case: Case, keys: Keys, earlier: Earlier) -> (Case, Sent) {
    // A payment without Plaid's leave has never been sent: leave moves no money.
    let awaits_leave = awaits_leave(case.movement());
    let earlier = if awaits_leave { Earlier::Nothing } else { earlier };
    let sent = try_to_send(app, invocation, case.movement(), keys.clone(), earlier).await;
    let (case, sent) = match sent.leave.clone() {
        Some(leave) => Box::pin(transfer(app, invocation, case, keys, sent, &leave)).await,
        None => (case, sent),
    };
    let movement = case.movement();
    if sent.attempts > 0 {
        app.metrics.gateway_attempts(movement.gateway(), sent.attempts, movement.payment_id(), app.clock.now());
    }
    (case, sent)
}

/// Whether it is a payment over Plaid that nobody has been given leave for yet.
fn awaits_leave(movement: Movement<'_>) -> bool {
    matches!(movement, Movement::Payment(payment)
        if payment.frozen.gateway == Gateway::Plaid && payment.authorization.is_none() && payment.reference().is_none())
}

/// Makes the transfer that Plaid has given leave for, once that is written down.
async fn transfer(
    app: &App,
    invocation: &Invocation,
    case: Case,
    keys: Keys,
    before: Sent,
    leave: &str,
) -> (Case, Sent) {
    match keep_leave(app, invocation, case, leave).await {
        Ok(case) => {
            let sent = try_to_send(app, invocation, case.movement(), keys, Earlier::Nothing).await;
            let attempts = sent.attempts + before.attempts;
            (case, Sent { attempts, ..sent })
        }
        // Somebody else goes on with it, or it could not be written down: what becomes of it is for recovery.
        Err(case) => {
            let unknown = Sent::nothing(Earlier::Unknown);
            (*case, Sent { attempts: before.attempts, ..unknown })
        }
    }
}

/// Writes Plaid's leave down, before anything is done under it; the case as it is, where that is not for us any more.
async fn keep_leave(app: &App, invocation: &Invocation, case: Case, leave: &str) -> Result<Case, Box<Case>> {
    let fence = case.payment.progress.send_until;
    let mut case = case;
    for round in 1..=bounds::DECISIONS {
        let mut kept = case.clone();
        kept.payment.authorization = Some(Authorization { id: leave.to_owned(), at: app.clock.now() });
        kept.payment.progress.revision += 1;
        let mut commit = Commit::default();
        commit.payment(&app.store, &kept.payment);
        match app.store.commit(commit, invocation.deadline).await {
            Ok(()) => return Ok(kept),
            Err(CommitError::Conflict(_)) if invocation.wait_for_turn(app, round).await => {}
            Err(error) => {
                tracing::error!(payment_id = %case.payment.id, %error, "leave for a transfer could not be written down");
                return Err(Box::new(case));
            }
        }
        case = match reread(app, case.movement()).await {
            Ok(case) => case,
            Err(_) => return Err(Box::new(case)),
        };
        // Only noted that somebody looked: it is still ours.
        let is_ours = case.payment.status == PaymentStatus::Processing
            && awaits_leave(case.movement())
            && case.payment.progress.send_until == fence;
        if !is_ours {
            return Err(Box::new(case));
        }
    }
    Err(Box::new(case))
}

async fn try_to_send(
    app: &App,
    invocation: &Invocation,
    movement: Movement<'_>,
    mut keys: Keys,
    earlier: Earlier,
) -> Sent {
    let mut sent = Sent::nothing(earlier);
    let mut refreshed = false;
    while sent.attempts < bounds::SENDS && app.clock.now() < movement.progress().send_until {
        let Some(timeout) = invocation.gateway_time(app) else { break };
        let asked_at = app.clock.now();
        let order = movement.order().or(sent.order.as_deref());
        let unsent = matches!(sent.outcome, Outcome::NotSent(_));
        let answer = match keys.send(app, movement, order, unsent, timeout).await {
            Leave::Answer(answer) => answer,
            Leave::Granted(leave) => {
                sent.leave = Some(leave);
                Answer::without_object(Outcome::NotSent(Trouble::Undecided), false)
            }
        };
        sent.attempts += 1;
        let Answer { outcome, again, retry_after, gateway_code, .. } = &answer;
        let (trouble, mut again, retry_after) = (trouble(outcome), *again, *retry_after);
        tracing::info!(
            tenant_id = %movement.tenant_id(),
            payment_id = %movement.payment_id(),
            id = movement.id(),
            attempt = sent.attempts,
            trouble = trouble.map(Trouble::as_str),
            gateway_code,
            "gateway answered"
        );
        let now = app.clock.now();
        let (took, payment_id) = (now.since(asked_at), movement.payment_id());
        let result = trouble.filter(|_| sent.leave.is_none()).map_or("ok", Trouble::as_str);
        app.metrics.gateway_call(GatewayCall { gateway: movement.gateway(), result, took, payment_id }, now);
        sent.join(movement, answer);
        if sent.outcome.is_known() || sent.mismatch || sent.leave.is_some() {
            return sent;
        }
        if trouble == Some(Trouble::KeyRefused) && !refreshed {
            refreshed = true;
            match app.secrets.keys_anew(movement.tenant_id(), movement.gateway()).await {
                Ok(fresh) if fresh.account() == movement.account() => {
                    keys = fresh;
                    again = true;
                }
                _ => again = false,
            }
        }
        if trouble == Some(Trouble::Lost) && look_up(app, invocation, movement, &keys, &mut sent).await {
            return sent;
        }
        let pause = retry::backoff(bounds::SEND_BACKOFF, bounds::SEND_BACKOFF_MAX, sent.attempts, retry_after);
        let in_time = app.clock.now().plus(pause + bounds::GATEWAY_TIMEOUT_MIN + bounds::SETTLE_RESERVE);
        let fenced_off = app.clock.now().plus(pause) >= movement.progress().send_until;
        if !again || fenced_off || sent.attempts == bounds::SENDS || in_time >= invocation.deadline {
            break;
        }
        app.clock.sleep(pause).await;
    }
    if matches!(sent.outcome, Outcome::Unknown(_)) && sent.attempts > 0 {
        look_up(app, invocation, movement, &keys, &mut sent).await;
    }
    sent
}

/// Looks whether a send of unknown outcome went through. A failure that it shows is left to the reply or to recovery:
/// the send may still be under way.
async fn look_up(app: &App, invocation: &Invocation, movement: Movement<'_>, keys: &Keys, sent: &mut Sent) -> bool {
    let time = || invocation.gateway_time(app);
    let order = movement.order().or(sent.order.as_deref());
    // At PayPal the same send is the look-up as long as nothing is known of it; events come later, for recovery.
    let is_unknown = movement.reference().or(order).is_none();
    if matches!(keys, Keys::Paypal(_)) && is_unknown && sent.earlier == Earlier::Nothing {
        return false;
    }
    let Found::Object(answer) = keys.find(app, movement, order, &time).await else { return false };
    if !matches!(answer.outcome, Outcome::Succeeded | Outcome::Pending | Outcome::RequiresAction) {
        return false;
    }
    sent.join(movement, answer);
    true
}

fn trouble(outcome: &Outcome) -> Option<Trouble> {
    match outcome {
        Outcome::NotSent(trouble) | Outcome::Unknown(trouble) => Some(*trouble),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::payment::{Failure, FailureCode};

    #[test]
    fn once_unknown_no_refusal_makes_it_not_sent() {
        let unknown = Outcome::Unknown(Trouble::Lost);
        for trouble in [Trouble::Unreachable, Trouble::Busy, Trouble::KeyRefused, Trouble::Rejected] {
            assert_eq!(join(&unknown, Outcome::NotSent(trouble)), unknown, "{trouble:?}");
        }
        let refused = Outcome::Refused(Failure::new(FailureCode::NotRefundable, None));
        assert_eq!(join(&unknown, refused.clone()), unknown);
        assert_eq!(join(&Outcome::NotSent(Trouble::Busy), refused.clone()), refused);
    }

    #[test]
    fn a_success_or_decline_under_the_same_key_ends_the_unknown() {
        let unknown = Outcome::Unknown(Trouble::Fault);
        let declined = Outcome::Declined(Failure::new(FailureCode::Declined, None));
        for outcome in [Outcome::Succeeded, Outcome::Pending, Outcome::RequiresAction, declined] {
            assert_eq!(join(&unknown, outcome.clone()), outcome);
        }
    }

    #[test]
    fn unknown_after_not_sent_is_unknown() {
        let unknown = Outcome::Unknown(Trouble::Lost);
        assert_eq!(join(&Outcome::NotSent(Trouble::Busy), unknown.clone()), unknown);
    }
}
