package tokenizer

import "sync"

const (
	// cacheEntries bounds the words of one generation, cacheKeyBytes their length: longer ones seldom repeat.
	cacheEntries  = 1 << 15
	cacheKeyBytes = 256
)

// wordCache remembers the ids of words: titles repeat, and so do the words in them. It keeps two generations: when the
// young one is full it becomes the old one, and what is used moves back, so that what repeats stays at little cost.
type wordCache struct {
	mu         sync.RWMutex
	young, old map[string][]int32
}

// get returns ids that must not be changed.
func (c *wordCache) get(word string) ([]int32, bool) {
	if len(word) > cacheKeyBytes {
		return nil, false
	}
	c.mu.RLock()
	ids, ok := c.young[word]
	if ok {
		c.mu.RUnlock()
		return ids, true
	}
	ids, ok = c.old[word]
	c.mu.RUnlock()
	if ok {
		c.put(word, ids)
	}
	return ids, ok
}

func (c *wordCache) put(word string, ids []int32) {
	if len(word) > cacheKeyBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= cacheEntries {
		c.old, c.young = c.young, make(map[string][]int32)
	}
	c.young[word] = ids
}
