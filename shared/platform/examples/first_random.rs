//! Prints how many microseconds the first random number of a fresh process takes, for which its first TLS connection
//! waits: `cargo run --release -p platform --example first_random`. `make bench` holds it to a limit.

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

fn main() -> Result<(), Unspecified> {
    let mut bytes = [0_u8; 32];
    let started = Instant::now();
    // As rustls asks for it.
    SystemRandom::new().fill(&mut bytes)?;
    let elapsed = started.elapsed();
    black_box(bytes);
    println!("{}", elapsed.as_micros());
    Ok(())
}
