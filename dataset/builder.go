package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
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
	// mostNames is how many users or items the parser of one goroutine remembers.
	mostNames int
	// expected says that room was made for the interactions to come.
	expected bool
	// titled marks items that have got their text.
	titled []bool
}

func newBuilder(name string, o Options) *builder {
	return &builder{
		set: &Set{Name: name}, maxBad: o.MaxBad, unrated: o.Unrated, mostNames: mostNames,
		users: make(map[string]int32), items: make(map[string]int32),
	}
}

// bad takes in a complaint about a line of a file: it returns nil where the line may be skipped.
func (b *builder) bad(path string, number int, err error) error {
	var v *badValue
	if !errors.As(err, &v) {
		return err
	}
	line := &LineError{File: path, Line: number, Reason: v.reason, Err: v.err}
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
			if err = b.bad(src.path, src.line, err); err != nil {
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
	set.Interactions = sortByTime(set.Interactions)
	if len(set.Interactions) > 1<<20 {
		runtime.GC() // sorting leaves as much memory again behind: what comes next takes its place
	}
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
