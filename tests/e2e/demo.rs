//! The demo that the README shows holds.

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_holds_and_holds_again_on_the_same_data() {
    let world = World::empty(|_| {}).await;
    local::demo::run(&world.stack).await.unwrap();
    local::seed::acme(&world.stack).await.unwrap();
}
