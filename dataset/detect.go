package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// kind is the layout of one file.
type kind int

const (
	kindUnknown kind = iota
	kindColons       // a::b::c
	kindTabs         // u.data
	kindBars         // u.item
	kindTyped        // RecBole
	kindTable        // separated values
	kindBare         // Amazon's ratings-only file without header
	kindJSON         // Amazon's JSON lines
)

// layout is what Open reads.
type layout struct {
	ratings, items         string
	ratingsKind, itemsKind kind
}

// locate finds the two files and their kinds.
func locate(ctx context.Context, path string, o Options) (layout, error) {
	var l layout
	st, err := os.Stat(path)
	if err != nil {
		return l, err
	}
	dir := path
	if !st.IsDir() {
		dir = filepath.Dir(path)
		l.ratings = path
	}
	if o.Ratings != "" {
		l.ratings = under(dir, o.Ratings)
	}
	names, err := fileNames(dir)
	if err != nil {
		return l, err
	}
	if l.ratings == "" {
		name, err := ratingsIn(dir, names, o.Format)
		if err != nil {
			return l, err
		}
		l.ratings = filepath.Join(dir, name)
	}
	if l.ratingsKind, err = sniff(ctx, l.ratings, o); err != nil {
		return l, err
	}
	if err := l.fits(o.Format); err != nil {
		return l, err
	}
	switch {
	case o.Items == "none":
		return l, nil
	case o.Items != "":
		l.items = under(dir, o.Items)
	case st.IsDir() || filepath.Dir(l.ratings) == filepath.Clean(dir):
		if name := itemsBeside(filepath.Base(l.ratings), l.ratingsKind, names); name != "" {
			l.items = filepath.Join(dir, name)
		}
	}
	if l.items != "" {
		if l.itemsKind, err = sniff(ctx, l.items, o); err != nil {
			return l, err
		}
		if l.itemsKind == kindBare || l.itemsKind == kindTabs {
			return l, fmt.Errorf("%s: %w: these are not item texts", l.items, ErrUnknownFormat)
		}
	}
	return l, nil
}

func under(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func fileNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && e.Type()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) == 0 {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// bare is a file name in lower case without .gz.
func bare(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".gz") }

// ratingsIn picks the file of the ratings in a folder.
func ratingsIn(dir string, names []string, format string) (string, error) {
	pick := func(match func(name string) bool) []string {
		var out []string
		seen := map[string]bool{}
		for _, n := range names {
			if b := bare(n); match(b) && !seen[b] { // x and x.gz are the same data; ReadDir sorts x first
				seen[b] = true
				out = append(out, n)
			}
		}
		return out
	}
	is := func(want string) func(string) bool { return func(n string) bool { return n == want } }
	ends := func(exts ...string) func(string) bool {
		return func(n string) bool {
			return slices.ContainsFunc(exts, func(e string) bool { return strings.HasSuffix(n, e) }) && !isItemsName(n)
		}
	}
	rules := map[string][]func(string) bool{
		FormatMovieLens:      {is("ratings.dat"), is("ratings.csv"), is("u.data")},
		FormatMovieTweetings: {is("ratings.dat")},
		FormatRecBole:        {ends(".inter")},
		FormatAmazon:         {ends(".jsonl", ".json"), ends(".csv")},
		FormatCSV:            {is("ratings.csv"), is("interactions.csv"), ends(".csv", ".tsv", ".txt")},
	}
	var try []func(string) bool
	if format == "" || format == FormatAuto {
		for _, f := range []string{FormatMovieLens, FormatRecBole, FormatAmazon, FormatCSV} {
			try = append(try, rules[f]...)
		}
	} else {
		try = rules[format]
	}
	for _, rule := range try {
		switch found := pick(rule); len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", fmt.Errorf("%s: %w: ratings could be in any of %s; open one of them or name it", dir, ErrAmbiguous, strings.Join(found, ", "))
		}
	}
	shown := names
	if len(shown) > 8 {
		shown = append(slices.Clone(shown[:8]), "…")
	}
	return "", fmt.Errorf("%s: %w: no file of ratings (ratings.dat, ratings.csv, u.data, *.inter, *.jsonl, *.csv) among [%s]", dir, ErrUnknownFormat, strings.Join(shown, ", "))
}

// isItemsName says whether a file name is that of item texts, or of something else that data sets come with.
func isItemsName(n string) bool {
	if strings.HasPrefix(n, "meta_") || strings.HasPrefix(n, "readme") || strings.HasPrefix(n, "license") {
		return true
	}
	stem, _, _ := strings.Cut(n, ".")
	switch stem {
	case "movies", "items", "users", "tags", "links", "genome-scores", "genome-tags", "requirements":
		return true
	}
	return false
}

// amazonTail is what comes behind the category's name in the names of Amazon's review files.
var amazonTail = regexp.MustCompile(`(_5|_10)?(\.(train|valid|test))?(\.(jsonl|json|csv))$`)

// itemsBeside picks the file of the item texts that goes with a file of ratings; "" where there is none.
func itemsBeside(ratings string, k kind, names []string) string {
	var want []string
	r := bare(ratings)
	stem := strings.TrimSuffix(r, filepath.Ext(r))
	switch k {
	case kindColons:
		want = []string{"movies.dat", "items.dat"}
	case kindTabs:
		want = []string{"u.item"}
	case kindTyped:
		want = []string{stem + ".item"}
	case kindTable:
		want = []string{"movies" + filepath.Ext(r), "items" + filepath.Ext(r), "books" + filepath.Ext(r)}
	}
	if k == kindJSON || k == kindBare || k == kindTable {
		category := amazonTail.ReplaceAllString(r, "")
		want = append(want, "meta_"+category+".jsonl", "meta_"+category+".json")
	}
	for _, w := range want {
		for _, n := range names {
			if bare(n) == w && w != r {
				return n
			}
		}
	}
	return ""
}

var typedHeader = regexp.MustCompile(`^[^\t]+:(token|token_seq|float|float_seq)(\t[^\t]+:(token|token_seq|float|float_seq))*$`)

// sniff tells a file's kind from its first lines.
func sniff(ctx context.Context, path string, o Options) (kind, error) {
	src, err := openSource(ctx, path)
	if err != nil {
		return kindUnknown, err
	}
	defer src.close()
	lines, err := firstLines(src, 2)
	if err != nil {
		return kindUnknown, err
	}
	if len(lines) == 0 {
		return kindUnknown, fmt.Errorf("%s: %w: the file is empty", path, ErrNoInteractions)
	}
	first := lines[0]
	if bytes.IndexByte(first, 0) >= 0 {
		return kindUnknown, fmt.Errorf("%s: %w: this is no text file", path, ErrUnknownFormat)
	}
	switch {
	case first[0] == '{':
		return kindJSON, nil
	case typedHeader.Match(first):
		return kindTyped, nil
	case o.Format == FormatCSV || o.Columns != (Columns{}):
		return kindTable, nil
	case bytes.Count(first, colons) >= 2:
		return kindColons, nil
	case bytes.Count(first, []byte("|")) == 4+len(ml100kGenres):
		return kindBars, nil
	}
	if f := bytes.Split(first, []byte("\t")); (len(f) == 3 || len(f) == 4) && allNumbers(f) {
		return kindTabs, nil
	}
	if f := bytes.Split(first, []byte(",")); (len(f) == 3 || len(f) == 4) && allNumbers(f[2:]) {
		if isASIN(f[0]) || isASIN(f[1]) || o.Format == FormatAmazon {
			return kindBare, nil
		}
		return kindUnknown, fmt.Errorf("%s: %w: separated values without a header; name the columns (user #1, item #2, rating #3, time #4)", path, ErrAmbiguous)
	}
	if bytes.ContainsAny(first, ",;\t") {
		return kindTable, nil
	}
	return kindUnknown, fmt.Errorf("%s: %w: the first line is %s", path, ErrUnknownFormat, clip(first))
}

func allNumbers(fields [][]byte) bool {
	for _, f := range fields {
		if _, ok := number(bytes.TrimSpace(f)); !ok {
			return false
		}
	}
	return true
}

// fits checks what was found against the format that was asked for.
func (l layout) fits(format string) error {
	allowed := map[string][]kind{
		FormatMovieLens:      {kindColons, kindTable, kindTabs},
		FormatMovieTweetings: {kindColons},
		FormatRecBole:        {kindTyped},
		FormatAmazon:         {kindJSON, kindBare, kindTable},
		FormatCSV:            {kindTable},
	}[format]
	if allowed == nil || slices.Contains(allowed, l.ratingsKind) {
		return nil
	}
	return fmt.Errorf("%s: %w: the file is not in the format %s", l.ratings, ErrUnknownFormat, format)
}

// absent says whether an error is about a file that is not there.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
