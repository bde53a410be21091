//! Serves a service of the table: `cargo run --example serve -- hello :9000`.

fn main() -> hobnob::Result<()> {
    let mut words = std::env::args().skip(1);
    let service = words.next().unwrap_or_else(|| "hello".to_owned());
    let endpoint = words.next().unwrap_or_else(|| ":9000".to_owned());
    let running = hobnob::serve(&service, &endpoint)?;
    for bound in running.bound() {
        println!("{service} is listening on {}", bound.address);
    }
    running.wait();
    Ok(())
}
