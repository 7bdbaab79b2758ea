//! Prints the JSON Schema of a composition:
//! `cargo run -p composition --example schema > composition/schema.json`.

fn main() {
    println!("{:#}", composition::schema());
}
