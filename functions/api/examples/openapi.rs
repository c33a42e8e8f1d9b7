//! Prints the OpenAPI document, for `make docs`.

fn main() {
    println!("{}", api::open_api_document());
}
