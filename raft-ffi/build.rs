//! Names the shared library after its ABI: a plain cdylib has no SONAME.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libraftcore.so.0.1");
    }
}
