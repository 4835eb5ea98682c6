//! What an application knows of a client from the start.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
};

/// Values by their type, one of each: set when the client connects, read by all its channels.
///
/// ```
/// use dunlin_server::channel::Assigns;
///
/// struct User(String);
///
/// let assigns = Assigns::default().with(User("ada".into()));
/// assert_eq!(assigns.get::<User>().map(|user| user.0.as_str()), Some("ada"));
/// assert!(assigns.get::<u32>().is_none());
/// ```
#[derive(Default)]
pub struct Assigns(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl Assigns {
    /// Adds a value, in place of the one of the same type.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
        self
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for Assigns {
    /// Without the values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assigns({})", self.0.len())
    }
}
