#!/usr/bin/env bash
# Checks everything but behaviour: format, lints, documentation, licences and the device profile.
set -eu
. "$(dirname "$0")/env.sh"

# `cargo deny check advisories` where the database can be had, a line that says so where not.
advisories() {
    if timeout 120 cargo deny fetch db >/dev/null 2>&1; then
        cargo deny --offline check advisories
    else
        say "SKIPPED cargo deny advisories: the RustSec database could not be downloaded"
    fi
}

stage setup scripts/setup.sh device deny
stage lock cargo fetch --locked --quiet
stage fmt cargo fmt --check
stage clippy cargo clippy --release --all-targets -- -D warnings
stage "clippy of the device profile" cargo clippy --release --no-default-features --features device,v4l -- -D warnings
stage "clippy of the bare library" cargo clippy --release --lib --no-default-features -- -D warnings
stage doc env RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps
stage deny cargo deny check bans licenses sources
stage advisories advisories
stage profile python3 scripts/profile.py
stage "table of results" python3 scripts/results_table.py --check
