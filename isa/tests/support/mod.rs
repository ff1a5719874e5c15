//! What the property tests share.

use proptest::test_runner::Config;

/// As many cases as `PROPTEST_CASES` says; without it few in a debug build and 100,000 in a release build.
pub(crate) fn config() -> Config {
    let default = if cfg!(debug_assertions) { 256 } else { 100_000 };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    Config {
        cases: cases.unwrap_or(default),
        ..Config::default()
    }
}
