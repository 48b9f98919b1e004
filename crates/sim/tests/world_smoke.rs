//! A first look at the shop.
use crossfade_sim::world::{World, sample};

#[test]
fn the_shop_is_steady_and_serves_everything() {
    let start = 1_767_603_600_000;
    let mut world = World::new(1, start);
    let shop = sample::shop(&mut world, sample::ShopOptions::default());
    assert_eq!(world.steady_since(&shop.running_group, &shop.target_group_a), Some(start));
    let clock = std::time::Instant::now();
    world.advance(start + 2_400_000);
    eprintln!("{:?}", clock.elapsed());
    let report = world.traffic();
    assert_eq!(report.totals.served + report.in_flight, 120_000);
    assert_eq!(report.totals.lost, 0, "{:?}", report.losses);
}
