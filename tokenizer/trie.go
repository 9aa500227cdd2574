package tokenizer

// trie finds the longest of a set of byte strings at a place.
type trie struct {
	next map[byte]*trie
	id   int32 // -1 where no string ends
}

func newTrie() *trie { return &trie{id: -1} }

// add returns false if the text is already there.
func (t *trie) add(text string, id int32) bool {
	for i := range len(text) {
		child := t.next[text[i]]
		if child == nil {
			if t.next == nil {
				t.next = make(map[byte]*trie, 1)
			}
			child = newTrie()
			t.next[text[i]] = child
		}
		t = child
	}
	if t.id >= 0 {
		return false
	}
	t.id = id
	return true
}

// longest returns the id and the length of the longest string at the start of s, or -1 and 0.
func (t *trie) longest(s string) (id int32, length int) {
	id = -1
	for i := range len(s) {
		if t = t.next[s[i]]; t == nil {
			break
		}
		if t.id >= 0 {
			id, length = t.id, i+1
		}
	}
	return id, length
}
