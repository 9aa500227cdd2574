package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// Tokenizer files split text with regular expressions that Go's regexp cannot express (lookahead, as in `\s+(?!\S)`, and
// Unicode classes for \s), and the exact leftmost, first-alternative match decides about ids. pattern is a small
// backtracking matcher with the semantics of Oniguruma, the engine of Hugging Face's tokenizers, for the syntax those files
// use: literals, escapes, classes, groups, (?i:), alternation, greedy, lazy and possessive quantifiers, lookahead. Other
// syntax is an error at compile time.
type pattern struct {
	start *node
}

// charset is a set of code points.
type charset struct {
	negate bool
	ranges []rune // pairs lo, hi, inclusive
	tables []*unicode.RangeTable
	nots   []*unicode.RangeTable // complements of tables
	subs   []*charset
	fold   bool
	// ascii answers for ASCII, most of most texts, once index has run.
	ascii   [128]bool
	indexed bool
}

func (c *charset) index() {
	for r := range c.ascii {
		c.ascii[r] = c.has(rune(r))
	}
	c.indexed = true
}

func (c *charset) has(r rune) bool {
	if c.indexed && r < 128 {
		return c.ascii[r]
	}
	if c.hasExact(r) {
		return !c.negate
	}
	if c.fold {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if c.hasExact(f) {
				return !c.negate
			}
		}
	}
	return c.negate
}

func (c *charset) hasExact(r rune) bool {
	for i := 0; i < len(c.ranges); i += 2 {
		if r >= c.ranges[i] && r <= c.ranges[i+1] {
			return true
		}
	}
	for _, t := range c.tables {
		if unicode.Is(t, r) {
			return true
		}
	}
	for _, t := range c.nots {
		if !unicode.Is(t, r) {
			return true
		}
	}
	for _, s := range c.subs {
		if s.has(r) {
			return true
		}
	}
	return false
}

type nodeKind int8

const (
	nodeAccept nodeKind = iota
	nodeChars           // min..max characters of set, then next
	nodeSplit           // the first of alts that leads to a match
	nodeLook            // body matches here (or not, with negate), then next
)

type quantMode int8

const (
	greedy quantMode = iota
	lazy
	possessive
)

// node is a state of the matcher; each knows what follows it, so that matching needs no continuation.
type node struct {
	kind     nodeKind
	set      *charset
	min, max int
	mode     quantMode
	negate   bool
	alts     []*node
	body     *node
	next     *node
}

// match returns the end of the match of n at s[i:], or -1.
func (n *node) match(s string, i int) int {
	for {
		switch n.kind {
		case nodeAccept:
			return i
		case nodeSplit:
			last := len(n.alts) - 1
			for _, alt := range n.alts[:last] {
				if end := alt.match(s, i); end >= 0 {
					return end
				}
			}
			n = n.alts[last]
		case nodeLook:
			if (n.body.match(s, i) >= 0) == n.negate {
				return -1
			}
			n = n.next
		case nodeChars:
			if n.mode == lazy {
				return n.matchLazy(s, i)
			}
			first := i
			for count := 0; count < n.max; count++ {
				r, width := utf8.DecodeRuneInString(s[i:])
				if width == 0 || !n.set.has(r) {
					if count < n.min {
						return -1
					}
					break
				}
				i += width
				if count+1 == n.min {
					first = i
				}
			}
			if n.mode == greedy {
				for ; i > first; i -= lastWidth(s[:i]) {
					if end := n.next.match(s, i); end >= 0 {
						return end
					}
				}
			}
			n = n.next
		}
	}
}

func (n *node) matchLazy(s string, i int) int {
	for count := 0; ; count++ {
		if count >= n.min {
			if end := n.next.match(s, i); end >= 0 || count == n.max {
				return end
			}
		}
		r, width := utf8.DecodeRuneInString(s[i:])
		if width == 0 || !n.set.has(r) {
			return -1
		}
		i += width
	}
}

func lastWidth(s string) int {
	_, width := utf8.DecodeLastRuneInString(s)
	return width
}

// each calls fn for the consecutive parts of s, matches and the gaps between them, in order.
func (p *pattern) each(s string, fn func(from, to int, isMatch bool)) {
	prev, at, lastEnd := 0, 0, -1
	for at <= len(s) {
		start, end := at, -1
		for ; start <= len(s); start += max(1, runeWidth(s, start)) {
			if end = p.start.match(s, start); end >= 0 {
				break
			}
		}
		if end < 0 {
			break
		}
		if end == start && end == lastEnd {
			// As Oniguruma's iterator: no empty match right after a match.
			at += max(1, runeWidth(s, at))
			continue
		}
		if prev < start {
			fn(prev, start, false)
		}
		fn(start, end, true)
		prev, at, lastEnd = end, end, end
	}
	if prev < len(s) {
		fn(prev, len(s), false)
	}
}

func runeWidth(s string, i int) int {
	_, width := utf8.DecodeRuneInString(s[i:])
	return width
}

// literalPattern matches the text itself.
func literalPattern(text string) *pattern {
	next := &node{kind: nodeAccept}
	runes := []rune(text)
	for i := len(runes) - 1; i >= 0; i-- {
		next = &node{kind: nodeChars, set: &charset{ranges: []rune{runes[i], runes[i]}}, min: 1, max: 1, next: next}
	}
	return &pattern{start: next}
}
