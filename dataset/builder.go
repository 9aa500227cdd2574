package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
)

// row is one rating as a reader found it; user and item are valid until the next line.
type row struct {
	user, item, title []byte
	rating            float32
	// time is in milliseconds since 1970.
	time int64
}

// itemText is what a reader found out about one item.
type itemText struct {
	id, title  string
	categories []string
}

// badLinesKept is how many bad lines a Set shows.
const badLinesKept = 5

// builder collects a set: it gives users and items their numbers in the order in which they first appear.
type builder struct {
	set     *Set
	maxBad  int
	unrated bool
	users   map[string]int32
	items   map[string]int32
	// lastUser is looked up first: most files come sorted by user.
	lastUser []byte
	lastID   int32
	// titled marks items that have got their text.
	titled []bool
}

func newBuilder(name string, o Options) *builder {
	return &builder{
		set: &Set{Name: name}, maxBad: o.MaxBad, unrated: o.Unrated,
		users: make(map[string]int32), items: make(map[string]int32),
	}
}

// bad takes in a complaint about the current line of src: it returns nil where the line may be skipped.
func (b *builder) bad(src *source, err error) error {
	var v *badValue
	if !errors.As(err, &v) {
		return err
	}
	line := &LineError{File: src.path, Line: src.line, Reason: v.reason, Err: v.err}
	b.set.Skipped++
	if len(b.set.BadLines) < badLinesKept {
		b.set.BadLines = append(b.set.BadLines, line)
	}
	switch {
	case b.maxBad == 0:
		return line
	case b.maxBad > 0 && b.set.Skipped > b.maxBad:
		return fmt.Errorf("%w: %d, with at most %d to skip; the first was %w", ErrTooManyBad, b.set.Skipped, b.maxBad, b.set.BadLines[0])
	}
	return nil
}

// ratings reads all lines of src that are left with one line parser.
func (b *builder) ratings(src *source, parse func(line []byte, r *row) error) error {
	var r row
	for {
		line, err := src.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r = row{}
		err = parse(line, &r)
		if err == nil && (len(r.user) == 0 || len(r.item) == 0) {
			err = bad("the user or the item is empty")
		}
		if err != nil {
			if err = b.bad(src, err); err != nil {
				return err
			}
			continue
		}
		if len(b.set.Interactions) == expectAfter {
			b.expect(src)
		}
		if err := b.add(&r); err != nil {
			return fmt.Errorf("%s:%d: %w", src.path, src.line, err)
		}
	}
}

// expectAfter is the number of rows after which the total is guessed.
const expectAfter = 4096

// expect makes room for as many interactions as the file seems to hold, so that growing does not double the memory.
func (b *builder) expect(src *source) {
	used := src.read - int64(src.hi-src.lo)
	if used <= 0 || !src.plain { // how well the rest of a compressed file compresses is anyone's guess
		return
	}
	guess := float64(expectAfter) * float64(src.size) / float64(used) * 1.05
	if guess > expectAfter && guess < 1<<28 {
		grown := make([]Interaction, len(b.set.Interactions), int(guess))
		copy(grown, b.set.Interactions)
		b.set.Interactions = grown
	}
}

func (b *builder) add(r *row) error {
	if len(b.set.Interactions) == math.MaxInt32 {
		return fmt.Errorf("more than %d interactions", math.MaxInt32)
	}
	user := b.lastID
	if b.lastUser == nil || !bytes.Equal(r.user, b.lastUser) {
		id, ok := b.users[string(r.user)]
		if !ok {
			id = int32(len(b.set.Users))
			name := string(r.user)
			b.users[name] = id
			b.set.Users = append(b.set.Users, name)
		}
		user = id
		b.lastUser, b.lastID = append(b.lastUser[:0], r.user...), id
	}
	item, ok := b.items[string(r.item)]
	if !ok {
		item = b.newItem(string(r.item))
	}
	if len(r.title) > 0 && !b.titled[item] {
		title, err := text(r.title, "auto")
		if err == nil && title != "" {
			b.set.Items[item].Title, b.titled[item] = title, true
		}
	}
	b.set.Interactions = append(b.set.Interactions, Interaction{Time: r.time, User: user, Item: item, Rating: r.rating})
	return nil
}

func (b *builder) newItem(id string) int32 {
	n := int32(len(b.set.Items))
	b.items[id] = n
	b.set.Items = append(b.set.Items, Item{ID: id, Title: id})
	b.titled = append(b.titled, false)
	return n
}

// texts reads all lines of src that are left as item texts. The first text of an item counts.
func (b *builder) texts(src *source, parse func(line []byte, t *itemText) error) error {
	for {
		line, err := src.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var t itemText
		err = parse(line, &t)
		if err == nil && t.id == "" {
			err = bad("the item's ID is empty")
		}
		if err != nil {
			if err = b.bad(src, err); err != nil {
				return err
			}
			continue
		}
		b.describe(&t)
	}
}

func (b *builder) describe(t *itemText) {
	n, ok := b.items[t.id]
	if !ok {
		if !b.unrated {
			return
		}
		n = b.newItem(t.id)
	}
	if t.title == "" || b.titled[n] {
		return
	}
	b.titled[n] = true
	b.set.Items[n].Title, b.set.Items[n].Categories = t.title, t.categories
}

// finish sorts, filters and hashes.
func (b *builder) finish(f Filter) (*Set, error) {
	set := b.set
	where := set.Name
	if len(set.Files) > 0 {
		where = set.Files[0]
	}
	if len(set.Interactions) == 0 {
		if len(set.BadLines) > 0 {
			return nil, fmt.Errorf("%s: %w: all %d lines are bad, the first: %w", where, ErrNoInteractions, set.Skipped, set.BadLines[0])
		}
		return nil, fmt.Errorf("%s: %w", where, ErrNoInteractions)
	}
	sortByTime(set.Interactions)
	for i := range set.Interactions {
		set.Interactions[i].Time /= 1000
	}
	for i := range set.Items {
		if !b.titled[i] {
			set.Untitled++
		}
	}
	if f != (Filter{}) {
		set.apply(f, b.titled, b.unrated)
		if len(set.Interactions) == 0 {
			return nil, fmt.Errorf("%s: %w is left of %d by the filter %+v", where, ErrNoInteractions, set.Filtered, f)
		}
	}
	set.Hash = set.sum()
	return set, nil
}

// baseName is the default name of a set.
func baseName(path string) string {
	name := filepath.Base(filepath.Clean(path))
	for _, ext := range []string{".gz", ".jsonl", ".json", ".csv", ".tsv", ".dat", ".data", ".inter"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}
