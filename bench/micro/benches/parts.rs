//! What each part costs.

fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    hobnob_micro::measure(&mut criterion);
    criterion.final_summary();
}
