//! What is remembered by a key from the network: a map that forgets its oldest entries.

use std::collections::VecDeque;
use std::hash::Hash;

use ahash::{HashMap, HashMapExt};

/// A map of at most `max` entries.
pub(super) struct Bounded<K, V> {
    map: HashMap<K, V>,
    /// Keys in the order they came; some may be gone from the map.
    order: VecDeque<K>,
    max: usize,
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    pub(super) fn new(max: usize) -> Self {
        Bounded { map: HashMap::new(), order: VecDeque::new(), max }
    }

    /// Remembers; gives back what had to be forgotten for it.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.map.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        let mut forgotten = None;
        while self.map.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            forgotten = self.map.remove(&oldest);
        }
        if self.order.len() > self.max.saturating_mul(2) {
            let map = &self.map;
            self.order.retain(|key| map.contains_key(key));
        }
        forgotten
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key)
    }

    pub(super) fn drain(&mut self) -> Vec<V> {
        self.order.clear();
        self.map.drain().map(|(_, value)| value).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut map = Bounded::new(3);
        for n in 0..100_u32 {
            let forgotten = map.insert(n, n);
            assert_eq!(forgotten, n.checked_sub(3));
            assert!(map.len() <= 3 && map.order.len() <= 7);
        }
        assert_eq!(map.remove(&98), Some(98));
        for n in 0..50 {
            map.insert(200 + n % 2, n);
            map.remove(&(200 + n % 2));
            assert!(map.order.len() <= 7);
        }
        assert_eq!(map.get(&99), Some(&99));
    }
}
