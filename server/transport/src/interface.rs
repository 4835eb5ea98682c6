//! A network interface to send through, whatever the routes say.

use std::{fmt, num::NonZeroU32};

/// A network interface of this device, such as `wlan0`. It may have gone by the time it is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interface {
    name: String,
    index: NonZeroU32,
}

/// No interface has this name and index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no network interface is {name:?} with index {index}")]
pub struct IllegalInterface {
    name: String,
    index: u32,
}

impl Interface {
    /// The interface that the system lists by this name and this index, which counts from 1.
    ///
    /// # Errors
    /// The name is empty or has a NUL, or the index is 0, with which systems mean none.
    pub fn new(name: impl Into<String>, index: u32) -> Result<Self, IllegalInterface> {
        let name = name.into();
        match NonZeroU32::new(index) {
            Some(index) if !name.is_empty() && !name.contains('\0') => Ok(Self { name, index }),
            _ => Err(IllegalInterface { name, index }),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> NonZeroU32 {
        self.index
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_system_lists_is_no_interface() {
        let wlan = Interface::new("wlan0", 3).unwrap();
        assert_eq!((wlan.name(), wlan.index().get(), wlan.to_string().as_str()), ("wlan0", 3, "wlan0"));
        for (name, index) in [("", 3), ("wlan\0", 3), ("wlan0", 0)] {
            let error = Interface::new(name, index).unwrap_err();
            assert_eq!(error, IllegalInterface { name: name.into(), index });
        }
    }
}
