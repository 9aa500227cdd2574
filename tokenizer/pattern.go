package tokenizer

import (
	"math"
	"strconv"
	"strings"
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

// compilePattern parses an Oniguruma (Ruby syntax) expression.
func compilePattern(expr string) (*pattern, error) {
	p := &parser{expr: expr, src: []rune(expr)}
	tree, err := p.alternation(false)
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.src) {
		return nil, p.unsupported("unbalanced parenthesis")
	}
	return &pattern{start: tree.build(&node{kind: nodeAccept})}, nil
}

// expr nodes of the syntax tree.
type tree struct {
	set      *charset // a single character class, with min and max
	min, max int
	mode     quantMode
	seq      []*tree // a concatenation
	alts     []*tree // an alternation
	look     *tree   // a lookahead
	negate   bool
}

// build makes the states for t followed by next.
func (t *tree) build(next *node) *node {
	switch {
	case t.set != nil:
		t.set.index()
		return &node{kind: nodeChars, set: t.set, min: t.min, max: t.max, mode: t.mode, next: next}
	case t.look != nil:
		return &node{kind: nodeLook, negate: t.negate, body: t.look.build(&node{kind: nodeAccept}), next: next}
	case t.alts != nil:
		n := &node{kind: nodeSplit}
		for _, alt := range t.alts {
			n.alts = append(n.alts, alt.build(next))
		}
		return n
	}
	for i := len(t.seq) - 1; i >= 0; i-- {
		next = t.seq[i].build(next)
	}
	return next
}

type parser struct {
	expr string
	src  []rune
	pos  int
}

func (p *parser) unsupported(what string) error {
	return unsupportedf("regular expression %q: %s at character %d", p.expr, what, p.pos)
}

func (p *parser) peek() rune {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return -1
}

func (p *parser) take(prefix string) bool {
	if strings.HasPrefix(string(p.src[p.pos:]), prefix) {
		p.pos += utf8.RuneCountInString(prefix)
		return true
	}
	return false
}

func (p *parser) alternation(fold bool) (*tree, error) {
	var alts []*tree
	for {
		seq, err := p.sequence(fold)
		if err != nil {
			return nil, err
		}
		alts = append(alts, seq)
		if p.peek() != '|' {
			break
		}
		p.pos++
	}
	if len(alts) == 1 {
		return alts[0], nil
	}
	return &tree{alts: alts}, nil
}

func (p *parser) sequence(fold bool) (*tree, error) {
	seq := &tree{}
	for p.pos < len(p.src) && p.peek() != '|' && p.peek() != ')' {
		atom, err := p.atom(fold)
		if err != nil {
			return nil, err
		}
		if atom, err = p.quantified(atom); err != nil {
			return nil, err
		}
		seq.seq = append(seq.seq, atom)
	}
	return seq, nil
}

func (p *parser) atom(fold bool) (*tree, error) {
	one := func(set *charset) *tree { return &tree{set: set, min: 1, max: 1} }
	switch c := p.peek(); c {
	case '(':
		return p.group(fold)
	case '[':
		set, err := p.class(fold)
		if err != nil {
			return nil, err
		}
		return one(set), nil
	case '.':
		p.pos++
		return one(&charset{negate: true, ranges: []rune{'\n', '\n'}}), nil
	case '\\':
		set, _, err := p.escape()
		if err != nil {
			return nil, err
		}
		set.fold = fold
		return one(set), nil
	case '^', '$', '*', '+', '?', '{':
		return nil, p.unsupported("'" + string(c) + "'")
	default:
		p.pos++
		return one(&charset{ranges: []rune{c, c}, fold: fold}), nil
	}
}

func (p *parser) group(fold bool) (*tree, error) {
	look, negate := false, false
	switch {
	case p.take("(?i:"):
		fold = true
	case p.take("(?:"):
	case p.take("(?="):
		look = true
	case p.take("(?!"):
		look, negate = true, true
	case p.take("(?"):
		return nil, p.unsupported("this kind of group")
	default:
		p.pos++
	}
	body, err := p.alternation(fold)
	if err != nil {
		return nil, err
	}
	if p.peek() != ')' {
		return nil, p.unsupported("missing ')'")
	}
	p.pos++
	if look {
		return &tree{look: body, negate: negate}, nil
	}
	return &tree{seq: []*tree{body}}, nil
}

func (p *parser) quantified(atom *tree) (*tree, error) {
	lo, hi := 1, 1
	counted := false
	switch p.peek() {
	case '?':
		lo, hi = 0, 1
	case '*':
		lo, hi = 0, math.MaxInt
	case '+':
		lo, hi = 1, math.MaxInt
	case '{':
		var err error
		if lo, hi, err = p.bounds(); err != nil {
			return nil, err
		}
		counted = true
	default:
		return atom, nil
	}
	p.pos++
	mode := greedy
	switch p.peek() {
	case '?':
		mode = lazy
		p.pos++
	case '+':
		if counted {
			// Ruby syntax: {n,m}+ repeats the repetition.
			return nil, p.unsupported("'+' after a counted repetition")
		}
		mode = possessive
		p.pos++
	}
	switch p.peek() {
	case '?', '*', '+', '{':
		return nil, p.unsupported("repetition of a repetition")
	}
	if atom.set != nil {
		atom.min, atom.max, atom.mode = lo, hi, mode
		return atom, nil
	}
	if atom.look != nil || lo != 0 || hi != 1 || mode == possessive {
		return nil, p.unsupported("repetition of a group")
	}
	if mode == lazy {
		return &tree{alts: []*tree{{}, atom}}, nil
	}
	return &tree{alts: []*tree{atom, {}}}, nil
}

// bounds reads {n}, {n,} or {n,m} up to its closing brace.
func (p *parser) bounds() (lo, hi int, err error) {
	end := p.pos
	for end < len(p.src) && p.src[end] != '}' {
		end++
	}
	from, to, isRange := strings.Cut(string(p.src[p.pos+1:min(end, len(p.src))]), ",")
	lo, errLo := strconv.Atoi(from)
	hi, errHi := lo, error(nil)
	if isRange {
		if to == "" {
			hi = math.MaxInt
		} else {
			hi, errHi = strconv.Atoi(to)
		}
	}
	if end == len(p.src) || errLo != nil || errHi != nil || lo < 0 || lo > hi || hi == 0 {
		return 0, 0, p.unsupported("this counted repetition")
	}
	p.pos = end
	return lo, hi, nil
}
