package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// bpe is byte-pair encoding as in Hugging Face's tokenizers: the vocabulary's pieces are joined in the order of the merges'
// ranks, from left to right among equals.
type bpe struct {
	vocab  map[string]int32
	merges map[[2]int32]joined
	// unk is the id for characters outside of the vocabulary, or -1: they are dropped.
	unk          int32
	fuseUnk      bool
	byteFallback bool
	ignoreMerges bool
	// bytes are the ids of "<0x00>" to "<0xFF>", or -1.
	bytes [256]int32
	cache wordCache
}

type joined struct{ rank, id int32 }

// newBPE checks that every merge joins entries of the vocabulary into an entry of the vocabulary.
func newBPE(vocab map[string]int32, merges [][2]string) (*bpe, error) {
	m := &bpe{vocab: vocab, merges: make(map[[2]int32]joined, len(merges)), unk: -1}
	for rank, pair := range merges {
		left, okLeft := vocab[pair[0]]
		right, okRight := vocab[pair[1]]
		id, ok := vocab[pair[0]+pair[1]]
		if !okLeft || !okRight || !ok {
			return nil, malformedf("merge %d joins %q and %q, and not both and their union are in the vocabulary", rank, pair[0], pair[1])
		}
		m.merges[[2]int32{left, right}] = joined{rank: int32(rank), id: id}
	}
	for b := range m.bytes {
		m.bytes[b] = -1
		if id, ok := vocab[fmt.Sprintf("<0x%02X>", b)]; ok {
			m.bytes[b] = id
		}
	}
	return m, nil
}

// encode appends the ids of one word, the unit inside which pieces are joined.
func (m *bpe) encode(dst []int32, word string) []int32 {
	if m.ignoreMerges {
		if id, ok := m.vocab[word]; ok {
			return append(dst, id)
		}
	}
	if ids, ok := m.cache.get(word); ok {
		return append(dst, ids...)
	}
	ids := m.join(m.symbols(word))
	m.cache.put(word, ids)
	return append(dst, ids...)
}

// symbols returns the ids of the word's characters.
func (m *bpe) symbols(word string) []int32 {
	ids := make([]int32, 0, len(word))
	// An unknown character waits, to be fused with the next. That bytes overtake it is Hugging Face's behaviour.
	waiting := false
	for i := 0; i < len(word); {
		_, width := utf8.DecodeRuneInString(word[i:])
		char := word[i : i+width]
		i += width
		if id, ok := m.vocab[char]; ok {
			if waiting {
				ids = append(ids, m.unk)
				waiting = false
			}
			ids = append(ids, id)
			continue
		}
		if m.byteFallback && m.hasBytes(char) {
			for _, b := range []byte(char) {
				ids = append(ids, m.bytes[b])
			}
			continue
		}
		if m.unk >= 0 {
			if waiting && !m.fuseUnk {
				ids = append(ids, m.unk)
			}
			waiting = true
		}
	}
	if waiting {
		ids = append(ids, m.unk)
	}
	return ids
}

func (m *bpe) hasBytes(char string) bool {
	for _, b := range []byte(char) {
		if m.bytes[b] < 0 {
			return false
		}
	}
	return true
}

// join applies the merges to the symbols, in place.
func (m *bpe) join(ids []int32) []int32 {
	type link struct{ prev, next int32 }
	n := int32(len(ids))
	links := make([]link, n)
	queue := make(mergeQueue, 0, n)
	offer := func(left, right int32) {
		if j, ok := m.merges[[2]int32{ids[left], ids[right]}]; ok {
			queue.push(merge{order: float64(j.rank), left: left, check: j.id})
		}
	}
	const gone = -2
	for i := range n {
		links[i] = link{prev: i - 1, next: i + 1}
		if i+1 < n {
			offer(i, i+1)
		}
	}
	for len(queue) > 0 {
		top := queue.pop()
		left := top.left
		right := links[left].next
		if links[left].prev == gone || right >= n {
			continue
		}
		// An expired candidate: its symbols have been joined with others since. As in Hugging Face's tokenizers it
		// counts as alive if what stands there now joins into the same id.
		if j, ok := m.merges[[2]int32{ids[left], ids[right]}]; !ok || j.id != top.check {
			continue
		}
		ids[left] = top.check
		next := links[right].next
		links[left].next = next
		links[right].prev = gone
		if next < n {
			links[next].prev = left
			offer(left, next)
		}
		if prev := links[left].prev; prev >= 0 {
			offer(prev, left)
		}
	}
	out := ids[:0]
	for i := int32(0); i < n; i = links[i].next {
		out = append(out, ids[i])
	}
	return out
}
