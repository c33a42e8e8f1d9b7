//! Prints the time, in microseconds, that the first random number of a fresh process takes. The first TLS connection of
//! a process waits for that number. `make bench` holds the time to a limit.
//!
//! Run it with `cargo run --release -p platform --example first_random`.

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

fn main() -> Result<(), Unspecified> {
    let mut bytes = [0_u8; 32];
    let started = Instant::now();
    // rustls asks for random bytes in the same way.
    SystemRandom::new().fill(&mut bytes)?;
    let elapsed = started.elapsed();
    black_box(bytes);
    println!("{}", elapsed.as_micros());
    Ok(())
}
