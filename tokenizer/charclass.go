package tokenizer

import (
	"strconv"
	"strings"
	"unicode"
)

// whiteSpace is \s for Unicode text: the property White_Space.
var whiteSpace = unicode.White_Space

// escape reads a backslash and what it stands for. A single character is returned also by itself, for ranges; else that is
// -1.
func (p *parser) escape() (*charset, rune, error) {
	p.pos++
	c := p.peek()
	p.pos++
	single := func(r rune) (*charset, rune, error) { return &charset{ranges: []rune{r, r}}, r, nil }
	switch c {
	case 's':
		return &charset{tables: []*unicode.RangeTable{whiteSpace}}, -1, nil
	case 'S':
		return &charset{negate: true, tables: []*unicode.RangeTable{whiteSpace}}, -1, nil
	case 'd':
		return &charset{tables: category("Nd")}, -1, nil
	case 'D':
		return &charset{negate: true, tables: category("Nd")}, -1, nil
	case 'w', 'W':
		return &charset{negate: c == 'W', tables: wordTables}, -1, nil
	case 'p', 'P':
		return p.property(c == 'P')
	case 'n':
		return single('\n')
	case 'r':
		return single('\r')
	case 't':
		return single('\t')
	case 'f':
		return single('\f')
	case 'v':
		return single('\v')
	case 'x':
		return p.hex()
	case 'u':
		return p.hexDigits(4)
	}
	if c >= 0 && c < 0x80 && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
		return single(c)
	}
	return nil, -1, p.unsupported("escape \\" + string(c))
}

// boundaryTables are \w in Rust's regex (Unicode Technical Standard 18, annex C), by which Hugging Face's tokenizers find the
// ends of single words. wordTables are \w in Oniguruma, which differs in joiners and in the numbers of Latin-1.
var (
	boundaryTables = append(categories("L", "M", "Nd", "Nl", "Pc"), unicode.Other_Alphabetic, unicode.Join_Control)
	wordTables     = append(categories("L", "M", "Nd", "Nl", "Pc"), unicode.Other_Alphabetic,
		rangeTable(0xB2, 0xB3, 0xB9, 0xB9, 0xBC, 0xBE))
)

func categories(names ...string) (tables []*unicode.RangeTable) {
	for _, name := range names {
		tables = append(tables, category(name)...)
	}
	return tables
}

func (p *parser) hex() (*charset, rune, error) {
	if p.peek() != '{' {
		return p.hexDigits(2)
	}
	end := p.pos
	for end < len(p.src) && p.src[end] != '}' {
		end++
	}
	if end == len(p.src) {
		return nil, -1, p.unsupported("unclosed \\x{")
	}
	p.pos++
	set, r, err := p.hexDigits(end - p.pos)
	p.pos++
	return set, r, err
}

func (p *parser) hexDigits(n int) (*charset, rune, error) {
	if p.pos+n > len(p.src) {
		return nil, -1, p.unsupported("a code point cut short")
	}
	v, err := strconv.ParseUint(string(p.src[p.pos:p.pos+n]), 16, 32)
	if err != nil || v > unicode.MaxRune {
		return nil, -1, p.unsupported("this code point")
	}
	p.pos += n
	return &charset{ranges: []rune{rune(v), rune(v)}}, rune(v), nil
}

// property reads {Name} or {^Name}: a general category.
func (p *parser) property(negate bool) (*charset, rune, error) {
	end := p.pos
	for end < len(p.src) && p.src[end] != '}' {
		end++
	}
	if p.peek() != '{' || end == len(p.src) {
		return nil, -1, p.unsupported("a property without braces")
	}
	name := string(p.src[p.pos+1 : end])
	p.pos = end + 1
	if rest, ok := strings.CutPrefix(name, "^"); ok {
		negate, name = !negate, rest
	}
	switch name { // the other names differ between engines, or are of scripts
	case "Letter":
		name = "L"
	case "Number":
		name = "N"
	}
	tables := category(name)
	if tables == nil {
		return nil, -1, p.unsupported("property \\p{" + name + "}")
	}
	return &charset{negate: negate, tables: tables}, -1, nil
}

// class reads [...].
func (p *parser) class(fold bool) (*charset, error) {
	p.pos++
	set := &charset{fold: fold}
	if p.peek() == '^' {
		set.negate = true
		p.pos++
	}
	for first := true; ; first = false {
		c := p.peek()
		switch {
		case c < 0:
			return nil, p.unsupported("unclosed class")
		case c == ']' && !first:
			p.pos++
			return set, nil
		case c == '[' || c == ']':
			return nil, p.unsupported("'" + string(c) + "' inside a class")
		case c == '&' && p.take("&&"):
			return nil, p.unsupported("class intersection")
		}
		sub, lo, err := p.classAtom()
		if err != nil {
			return nil, err
		}
		if lo < 0 {
			set.subs = append(set.subs, sub)
			continue
		}
		hi := lo
		if p.peek() == '-' && p.pos+1 < len(p.src) && p.src[p.pos+1] != ']' {
			p.pos++
			if _, hi, err = p.classAtom(); err != nil {
				return nil, err
			}
			if hi < lo {
				return nil, p.unsupported("this range in a class")
			}
		}
		set.ranges = append(set.ranges, lo, hi)
	}
}

func (p *parser) classAtom() (*charset, rune, error) {
	if p.peek() == '\\' {
		return p.escape()
	}
	c := p.peek()
	p.pos++
	return nil, c, nil
}
