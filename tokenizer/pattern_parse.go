package tokenizer

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

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
	var lo, hi int
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
