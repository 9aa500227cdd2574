package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The usual names of columns, in lower case without "_" and " ". An earlier name wins over a later one.
var (
	userNames     = []string{"userid", "user", "uid", "reviewerid", "username", "customerid"}
	itemNames     = []string{"itemid", "item", "movieid", "parentasin", "asin", "isbn", "bookid", "productid", "iid", "businessid", "gameid", "wineid"}
	ratingNames   = []string{"rating", "ratings", "overall", "stars", "score", "bookrating", "ratingval"}
	timeNames     = []string{"timestamp", "unixreviewtime", "unixtime", "time", "ts", "date", "datetime"}
	titleNames    = []string{"title", "movietitle", "itemtitle", "booktitle", "name", "itemname", "producttitle"}
	categoryNames = []string{"genres", "genre", "categories", "category", "class"}
	yearNames     = []string{"releaseyear"}
)

// table reads one file of separated values.
type table struct {
	sep byte
	// header holds the names of the columns, nil for a file without.
	header []string
	fields [][]byte
}

func plainName(s string) string {
	return strings.NewReplacer("_", "", " ", "", "-", "").Replace(strings.ToLower(s))
}

// column finds a column: the one asked for, or the first of the usual names that is there. -1 where there is none and none was asked for.
func (t *table) column(file, asked string, usual []string) (int, error) {
	if n, ok := strings.CutPrefix(asked, "#"); ok {
		k, err := strconv.Atoi(n)
		if err != nil || k < 1 {
			return 0, fmt.Errorf("%s: column %q: columns count from #1", file, asked)
		}
		return k - 1, nil
	}
	if asked != "" {
		for k, h := range t.header {
			if strings.EqualFold(h, asked) {
				return k, nil
			}
		}
		if t.header == nil {
			return 0, fmt.Errorf("%s: column %q: the file has no header, name columns by place (#1, #2, …)", file, asked)
		}
		return 0, fmt.Errorf("%s: no column %q; there are %s", file, asked, strings.Join(t.header, ", "))
	}
	for _, name := range usual {
		for k, h := range t.header {
			if plainName(h) == name {
				return k, nil
			}
		}
	}
	return -1, nil
}

// must is column for a column that reading cannot go without.
func (t *table) must(file, what, asked string, usual []string) (int, error) {
	k, err := t.column(file, asked, usual)
	if err == nil && k < 0 {
		err = fmt.Errorf("%s: %w: no column for the %s among %s; name it in the column mapping", file, ErrAmbiguous, what, strings.Join(t.header, ", "))
	}
	return k, err
}

func (t *table) split(line []byte) error {
	var err error
	t.fields, err = splitFields(line, t.sep, t.fields[:0])
	return err
}

// separator guesses from a line: the byte that occurs most often among the usual ones.
func separator(line []byte, path string, asked byte) byte {
	if asked != 0 {
		return asked
	}
	if strings.HasSuffix(strings.TrimSuffix(strings.ToLower(path), ".gz"), ".tsv") {
		return '\t'
	}
	best, most := byte(','), 0
	for _, sep := range []byte(",;\t|") {
		if n := bytes.Count(line, []byte{sep}); n > most {
			best, most = sep, n
		}
	}
	return best
}

// open reads the header, where the columns asked for are not all places.
func openTable(src *source, c Columns, asked ...string) (*table, error) {
	byPlace := false
	for _, a := range asked {
		if strings.HasPrefix(a, "#") {
			byPlace = true
		}
	}
	t := &table{}
	if byPlace {
		first, err := src.peek()
		if err != nil {
			return nil, emptyFile(src, err)
		}
		t.sep = separator(first, src.path, c.Separator)
		return t, nil
	}
	line, err := src.next()
	if err != nil {
		return nil, emptyFile(src, err)
	}
	t.sep = separator(line, src.path, c.Separator)
	if err := t.split(line); err != nil {
		return nil, &LineError{File: src.path, Line: 1, Reason: err.Error()}
	}
	for _, f := range t.fields {
		name, _ := text(f, "auto")
		t.header = append(t.header, name)
	}
	return t, nil
}

func emptyFile(src *source, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w: the file is empty", src.path, ErrNoInteractions)
	}
	return err
}

// typed takes RecBole's ":type" off the column names.
func (t *table) typed() {
	for k, h := range t.header {
		t.header[k], _, _ = strings.Cut(h, ":")
	}
}

// tableRatings reads the ratings of a file of separated values, and with titles also the items' titles among them.
func (b *builder) tableRatings(src *source, t *table, c Columns, titles bool) error {
	user, err := t.must(src.path, "user", c.User, userNames)
	if err != nil {
		return err
	}
	item, err := t.must(src.path, "item", c.Item, itemNames)
	if err != nil {
		return err
	}
	rating, err := t.must(src.path, "rating", c.Rating, ratingNames)
	if err != nil {
		return err
	}
	at, err := t.column(src.path, c.Time, timeNames)
	if err != nil {
		return err
	}
	if at < 0 {
		return fmt.Errorf("%s: %w: no column for the time among %s; without times there are no periods", src.path, ErrNoTimestamps, strings.Join(t.header, ", "))
	}
	title := -1
	if titles {
		if title, err = t.column(src.path, c.Title, titleNames); err != nil {
			return err
		}
	}
	need := max(user, item, rating, at) + 1
	ticks := newClock(c.TimeUnit)
	return b.ratings(src, func() lineParser {
		t := &table{sep: t.sep, header: t.header}
		return func(line []byte, r *row) error {
			if err := t.split(line); err != nil {
				return err
			}
			f := t.fields
			if len(f) < need {
				return bad("%d fields where at least %d are due", len(f), need)
			}
			if t.header != nil && len(f) > len(t.header) {
				return bad("%d fields under a header of %d", len(f), len(t.header))
			}
			if title >= 0 && title < len(f) {
				r.title = f[title]
			}
			r.user, r.item = bytes.TrimSpace(f[user]), bytes.TrimSpace(f[item])
			var err error
			if r.rating, err = parseRating(f[rating]); err != nil {
				return err
			}
			r.time, err = ticks.parse(f[at])
			return err
		}
	})
}

// tableTexts reads the item texts of a file of separated values. A release year in a column of its own, as in RecBole's ML-100K, is put
// behind the title the way MovieLens writes it.
func (b *builder) tableTexts(src *source, t *table, c Columns, encoding string) error {
	id, err := t.must(src.path, "item", c.ItemID, itemNames)
	if err != nil {
		return err
	}
	title, err := t.must(src.path, "title", c.Title, titleNames)
	if err != nil {
		return err
	}
	list, err := t.column(src.path, c.Categories, categoryNames)
	if err != nil {
		return err
	}
	year, _ := t.column(src.path, "", yearNames)
	sep := c.CategorySeparator
	if sep == "" {
		sep = "|"
	}
	return b.texts(src, func(line []byte, out *itemText) error {
		if err := t.split(line); err != nil {
			return err
		}
		f := t.fields
		if len(f) <= max(id, title) {
			return bad("%d fields where at least %d are due", len(f), max(id, title)+1)
		}
		out.id = string(bytes.TrimSpace(f[id]))
		var categories []byte
		if list >= 0 && list < len(f) {
			categories = f[list]
		}
		if err := out.fill(f[title], categories, sep, encoding); err != nil {
			return err
		}
		if year >= 0 && year < len(f) && out.title != "" {
			if y := strings.TrimSuffix(string(bytes.TrimSpace(f[year])), ".0"); isYear(y) {
				if _, has := SplitYear(out.title); has == "" {
					out.title += " (" + y + ")"
				}
			}
		}
		return nil
	})
}
