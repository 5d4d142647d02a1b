//! The demo: invoices are paid by card, by bank on a date, by PayPal and over Plaid, and money goes back. Everything that can be seen of it is
//! shown, and checked.

mod card;
mod paypal;
mod plaid;
mod promise;
mod show;

use serde_json::json;

use self::show::{Person, heading, holds, is};
use crate::seed::{self, ADMIN, SeedError};
use crate::stack::Stack;

/// What the demo found wrong.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The stack could not be set up or did not answer.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Something did not hold.
    #[error("the demo did not hold: {0}")]
    Broken(String),
}

/// Who is on the stage.
struct Cast<'a> {
    stack: &'a Stack,
    admin: Person,
    clerk: Person,
}

/// Plays the stories on a stack with the seeds in it.
///
/// # Errors
/// The first thing that did not hold.
pub async fn run(stack: &Stack) -> Result<(), DemoError> {
    seed::acme(stack).await?;
    let cast = Cast { stack, admin: Person::new(stack, ADMIN)?, clerk: Person::new(stack, "clerk")? };
    let by_card = card::pays_an_invoice(&cast).await?;
    promise::is_kept(&cast).await?;
    let by_paypal = paypal::charges_a_customer(&cast).await?;
    paypal::pays_a_vendor(&cast).await?;
    plaid::pays_a_vendor(&cast).await?;
    paypal::gives_money_back(&cast, &by_card, &by_paypal).await?;

    heading("The audit trails of all five invoices");
    for number in 1..=5 {
        let trail = cast.clerk.trail(&format!("INV-2025-00{number}")).await?;
        holds(is(&trail, "intact", &json!(true)), "its chain is intact")?;
    }
    card::is_in_stripes_books(stack, &by_card)?;
    paypal::is_in_paypals_books(stack)?;
    plaid::is_in_plaids_books(stack)?;
    show::end();
    Ok(())
}
