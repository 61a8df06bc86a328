use super::*;
use crate::source::testing::stream;

#[test]
fn positions_settle_in_the_order_in_which_batches_came() {
    let stream = stream();
    let mut order = Order::default();
    let numbers: Vec<u64> = (1..=4).map(|next| order.add(vec![(Arc::clone(&stream), next * 10)])).collect();
    let ends = |settled: Vec<Position>| settled.into_iter().map(|(_, next)| next).collect::<Vec<_>>();
    assert_eq!(ends(order.done(numbers[1])), [] as [u64; 0]);
    assert_eq!(ends(order.done(numbers[3])), [] as [u64; 0]);
    assert_eq!(ends(order.done(numbers[0])), [10, 20]);
    let more = order.add(vec![(Arc::clone(&stream), 50)]);
    assert_eq!(ends(order.done(numbers[2])), [30, 40]);
    assert_eq!(ends(order.done(more)), [50]);
}
