package prompt

import "sync"

// titleCache remembers what was made of a title: titles repeat thousands of times in a stream.
type titleCache[V any] struct {
	mu   sync.RWMutex
	make func(title string) V
	seen map[string]V
}

func newTitleCache[V any](f func(title string) V) *titleCache[V] {
	return &titleCache[V]{make: f, seen: map[string]V{}}
}

func (c *titleCache[V]) get(title string) V {
	c.mu.RLock()
	v, ok := c.seen[title]
	c.mu.RUnlock()
	if ok {
		return v
	}
	v = c.make(title)
	c.mu.Lock()
	c.seen[title] = v
	c.mu.Unlock()
	return v
}
