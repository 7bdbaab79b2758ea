//! Any JSON: it parses, or its faults are reported. A document that parses lists its sources, and
//! compiles or reports its faults.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|data: &[u8]| {
    let Ok(document) = serde_json::from_slice(data) else { return };
    match composition::parse(&document) {
        Err(faults) => assert!(!faults.is_empty()),
        Ok(composition) => {
            let _ = composition::sources(&composition);
            if let Ok(plan) = composition::compile(&composition, &BTreeMap::new()) {
                let frames: u64 = plan.segments.iter().map(|segment| segment.frames).sum();
                assert_eq!(frames, plan.assemble.frames);
            }
        }
    }
});
