//! Data sets in temporary folders: opened, loaded and augmented. Those that are not part of the project are looked at where
//! `SEDGE_SHARED` names the folder that holds `data`; else their tests are listed as ignored.

mod augment;
mod loader;
mod make;
mod shared;
mod sources;

use libtest_mimic::{Arguments, Failed, Trial};

type Test = (&'static str, fn() -> Result<(), Failed>);

fn main() {
    let arguments = Arguments::from_args();
    let own = [&sources::TESTS[..], &loader::TESTS[..], &augment::TESTS[..]].concat();
    let own = own.into_iter().map(|(name, test)| Trial::test(name, test));
    let foreign = shared::TESTS.into_iter().map(|(name, needs, test)| {
        Trial::test(name, test).with_ignored_flag(shared::folder(needs).is_none())
    });
    libtest_mimic::run(&arguments, own.chain(foreign).collect()).exit();
}

/// Fails with every line given, if any is.
fn report(failures: Vec<String>) -> Result<(), Failed> {
    if failures.is_empty() {
        Ok(())
    } else {
        Err(format!("{} fail:\n{}", failures.len(), failures.join("\n")).into())
    }
}
