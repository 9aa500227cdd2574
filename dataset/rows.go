package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
)

// lineParser reads one line into a row. It may keep memory between lines, so each goroutine has its own.
type lineParser func(line []byte, r *row) error

// alike makes parsers of one that keeps nothing between lines.
func alike(p lineParser) func() lineParser { return func() lineParser { return p } }

// block is a piece of a file of ratings: whole lines, and then what they say.
type block struct {
	text []byte
	// line is the number of lines before the block.
	line int
	// err ends the file: what is wrong behind the block's lines, or io.EOF.
	err error

	// parser has read the block; rows have its numbers of users and items.
	parser *blockParser
	rows   []Interaction
	bad    []badLine
	// users and items are the names that the parser met here for the first time, titles the titles.
	users, items []string
	titles       []itemTitle
	// newUsers and newItems say that the parser started its numbers over with this block.
	newUsers, newItems bool
	done               chan struct{}
}

type badLine struct {
	line int
	err  error
}

type itemTitle struct {
	item  int32
	title string
}

// blockParser reads blocks on one goroutine, with numbers of its own for users and items.
type blockParser struct {
	parse        lineParser
	users, items *names
	// lastUser is looked up first: most files come sorted by user.
	lastUser []byte
	lastID   int32
	// titled marks the items whose title was met.
	titled []bool
	// most is how many users or items a parser remembers before it starts over.
	most int
	// userOf and itemOf turn this parser's numbers into the set's. They belong to the goroutine that joins the blocks.
	userOf, itemOf []int32
}

// mostNames bounds what the parsers of a file with very many users or items remember, which is the same names several times.
const mostNames = 1 << 18

// ratings reads all lines of src that are left, with a parser for each core. Blocks of lines are read in any order and joined in the
// order of the file: users and items get their numbers by their first line, and the first complaint is the file's first, as if one had read it all.
func (b *builder) ratings(src *source, newParser func() lineParser) error {
	workers := min(runtime.GOMAXPROCS(0), 16)
	free := make(chan *block, 2*workers+1)
	for range cap(free) {
		free <- &block{}
	}
	toParse, toJoin := make(chan *block, cap(free)), make(chan *block, cap(free)) // never full
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		defer close(toParse)
		for {
			var k *block
			select {
			case <-stop:
				return
			case k = <-free:
			}
			k.done = make(chan struct{})
			k.line = src.line
			k.text, k.err = src.block(k.text[:0])
			toParse <- k
			toJoin <- k
			if k.err != nil {
				return
			}
		}
	})
	for range workers {
		p := &blockParser{parse: newParser(), users: newNames(), items: newNames(), most: b.mostNames}
		wg.Go(func() {
			for k := range toParse {
				p.read(k)
				close(k.done)
			}
		})
	}
	used := int64(0)
	for {
		k := <-toJoin
		<-k.done
		used += int64(len(k.text))
		if err := b.join(src.path, k); err != nil {
			return err
		}
		if k.err != nil {
			if errors.Is(k.err, io.EOF) {
				return nil
			}
			return k.err
		}
		b.expect(src, used)
		free <- k
	}
}

// read parses a block's lines.
func (p *blockParser) read(k *block) {
	k.parser, k.rows, k.bad, k.titles = p, k.rows[:0], k.bad[:0], k.titles[:0]
	if k.newUsers = len(p.users.list) > p.most; k.newUsers {
		p.users, p.lastUser = newNames(), nil
	}
	if k.newItems = len(p.items.list) > p.most; k.newItems {
		p.items, p.titled = newNames(), nil
	}
	users, items := len(p.users.list), len(p.items.list)
	var r row
	text := k.text
	for n := k.line + 1; len(text) > 0; n++ {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		if line = tidy(line, n); len(line) == 0 || (line[0] <= ' ' || line[0] >= 0x80) && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r = row{}
		err := p.parse(line, &r)
		if err == nil && (len(r.user) == 0 || len(r.item) == 0) {
			err = bad("the user or the item is empty")
		}
		if err != nil {
			k.bad = append(k.bad, badLine{n, err})
			continue
		}
		p.add(k, &r)
	}
	k.users, k.items = p.users.list[users:], p.items.list[items:]
}

func (p *blockParser) add(k *block, r *row) {
	if !bytes.Equal(r.user, p.lastUser) {
		p.lastUser, p.lastID = append(p.lastUser[:0], r.user...), p.users.id(r.user)
	}
	item := p.items.id(r.item)
	if len(r.title) > 0 {
		for int(item) >= len(p.titled) {
			p.titled = append(p.titled, false)
		}
		if !p.titled[item] {
			if title, err := text(r.title, "auto"); err == nil && title != "" {
				k.titles = append(k.titles, itemTitle{item, title})
				p.titled[item] = true
			}
		}
	}
	k.rows = append(k.rows, Interaction{Time: r.time, User: p.lastID, Item: item, Rating: r.rating})
}

// join adds a block that has been read to the set. Blocks come in the order of the file.
func (b *builder) join(path string, k *block) error {
	for _, l := range k.bad {
		if err := b.bad(path, l.line, l.err); err != nil {
			return err
		}
	}
	p := k.parser
	if k.newUsers {
		p.userOf = p.userOf[:0]
	}
	if k.newItems {
		p.itemOf = p.itemOf[:0]
	}
	for _, name := range k.users {
		id, ok := b.users[name]
		if !ok {
			id = int32(len(b.set.Users))
			b.users[name] = id
			b.set.Users = append(b.set.Users, name)
		}
		p.userOf = append(p.userOf, id)
	}
	for _, name := range k.items {
		id, ok := b.items[name]
		if !ok {
			id = b.newItem(name)
		}
		p.itemOf = append(p.itemOf, id)
	}
	for _, t := range k.titles {
		if item := p.itemOf[t.item]; !b.titled[item] {
			b.set.Items[item].Title, b.titled[item] = t.title, true
		}
	}
	if len(b.set.Interactions)+len(k.rows) > math.MaxInt32 {
		return fmt.Errorf("%s: after line %d: more than %d interactions", path, k.line, math.MaxInt32)
	}
	for i := range k.rows {
		e := &k.rows[i]
		e.User, e.Item = p.userOf[e.User], p.itemOf[e.Item]
	}
	b.set.Interactions = append(b.set.Interactions, k.rows...)
	return nil
}

// expectAfter is the number of rows after which the total is guessed.
const expectAfter = 4096

// expect makes room, once, for as many interactions as the file seems to hold, so that growing does not double the memory. used is how many bytes of text
// the interactions so far were.
func (b *builder) expect(src *source, used int64) {
	n := len(b.set.Interactions)
	if b.expected || n < expectAfter || !src.plain { // how well the rest of a compressed file compresses is anyone's guess
		return
	}
	b.expected = true
	guess := float64(n) * float64(src.size) / float64(used) * 1.05
	if guess > float64(n) && guess < 1<<28 {
		grown := make([]Interaction, n, int(guess))
		copy(grown, b.set.Interactions)
		b.set.Interactions = grown
	}
}
