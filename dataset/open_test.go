package dataset_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lsat/dataset"
)

// folder writes files, given as name and content in turn, into a new folder.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i+1 < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func zipped(t *testing.T, content string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// show writes a set's events as "user item-title rating time".
func show(s *dataset.Set) []string {
	var out []string
	for _, e := range s.Interactions {
		out = append(out, fmt.Sprintf("%s|%s|%g|%d", s.Users[e.User], s.Items[e.Item].Title, e.Rating, e.Time))
	}
	return out
}

// The same three ratings, in every format: the file's order is 30, 10, 10 seconds after a start.
var threeRatings = []string{"u2|Beta (1990)|3.5|1000000010", "u1|Alpha, The (1980)|5|1000000010", "u1|Beta (1990)|4|1000000030"}

func TestOpenFormats(t *testing.T) {
	const (
		dat       = "u1::b::4::1000000030\nu2::b::3.5::1000000010\nu1::a::5::1000000010\n"
		datItems  = "a::Alpha, The (1980)::Drama|War\nb::Beta (1990)::(no genres listed)\nc::Unrated (2000)::Drama\n"
		inter     = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\tb\t4\t1000000030\nu2\tb\t3.5\t1000000010.0\nu1\ta\t5.0\t1000000010\n"
		atomItem  = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\na\tAlpha, The\t1980\tDrama War\nb\tBeta (1990)\t1990\t\n"
		mlCSV     = "userId,movieId,rating,timestamp\r\nu1,b,4.0,1000000030\r\nu2,b,3.5,1000000010\r\nu1,a,5.0,1000000010\r\n"
		mlMovies  = "movieId,title,genres\r\na,\"Alpha, The (1980)\",Drama|War\r\nb,Beta (1990),(no genres listed)\r\n"
		json18    = `{"overall": 4.0, "verified": true, "reviewerID": "u1", "asin": "b", "style": {"Format:": " \"Hard\" }"}, "unixReviewTime": 1000000030}` + "\n" + `{"reviewerID":"u2","asin":"b","overall":3.5,"unixReviewTime":1000000010,"reviewText":"a\\\\"}` + "\n" + `{"reviewerID":"u1","asin":"a","overall":5,"unixReviewTime":1000000010}` + "\n"
		meta18    = `{"category": ["Drama", "War"], "title": "Alpha, The (1980)", "asin": "a"}` + "\n" + `{"asin":"b","title":"Beta (1990)"}` + "\n" + `{"asin":"x","title":["not wanted"]}` + "\n"
		json23    = `{"rating": 4.0, "title": "my review", "asin": "b1", "parent_asin": "b", "user_id": "u1", "timestamp": 1000000030000}` + "\n" + `{"user_id":"u2","parent_asin":"b","rating":3.5,"timestamp":1000000010001}` + "\n" + `{"user_id":"u1","asin":"a","parent_asin":null,"rating":5,"timestamp":1000000010002}` + "\n"
		meta23    = `{"parent_asin":"a","title":"Alpha, The (1980)","categories":["Drama","War"]}` + "\n" + `{"parent_asin":"b","title":"Beta (1990)","categories":[]}` + "\n"
		csv23     = "user_id,parent_asin,rating,timestamp,history\nu1,b,4.0,1000000030000,a x\nu2,b,3.5,1000000010001,\nu1,a,5.0,1000000010002,\n"
		uData     = "1\t2\t4\t1000000030\n"
		otherCSV  = "when;stars;book;reader\n2001-09-09 01:47:10;4;Beta (1990);u1\n2001-09-09 01:46:50;3.5;Beta (1990);u2\n2001-09-09 01:46:50;5;Alpha, The (1980);u1\n"
		noHeader  = "u1,b,4,1000000030\nu2,b,3.5,1000000010\nu1,a,5,1000000010\n"
		itemsByID = "a\tAlpha, The (1980)\nb\tBeta (1990)\n"
	)
	for name, c := range map[string]struct {
		files []string
		opts  dataset.Options
		file  string
	}{
		"MovieLens dat":            {files: []string{"ratings.dat", dat, "movies.dat", datItems, "users.dat", "u1::F::1"}},
		"MovieLens dat, named":     {files: []string{"ratings.dat", dat, "movies.dat", datItems}, opts: dataset.Options{Format: "movielens"}},
		"MovieTweetings":           {files: []string{"ratings.dat", dat, "movies.dat", datItems}, opts: dataset.Options{Format: "movietweetings"}},
		"the ratings' file itself": {files: []string{"ratings.dat", dat, "movies.dat", datItems}, file: "ratings.dat"},
		"no line end at the end":   {files: []string{"ratings.dat", strings.TrimSpace(dat), "movies.dat", strings.TrimSpace(datItems)}},
		"blank lines and a mark":   {files: []string{"ratings.dat", "\xef\xbb\xbf" + strings.ReplaceAll(dat, "\n", "\r\n\r\n"), "movies.dat", datItems}},
		"other file names":         {files: []string{"r.txt", dat, "texts", datItems}, opts: dataset.Options{Ratings: "r.txt", Items: "texts"}},
		"MovieLens csv":            {files: []string{"ratings.csv", mlCSV, "movies.csv", mlMovies, "tags.csv", "x", "links.csv", "y", "README.txt", "z"}},
		"gzip":                     {files: []string{"ratings.csv.gz", zipped(t, mlCSV), "movies.csv.gz", zipped(t, mlMovies)}},
		"gzip by its content":      {files: []string{"ratings.csv", zipped(t, mlCSV), "movies.csv", mlMovies}},
		"gzip of two members":      {files: []string{"ratings.dat.gz", zipped(t, dat[:30]) + zipped(t, dat[30:]), "movies.dat", datItems}},
		"RecBole":                  {files: []string{"x.inter", inter, "x.item", atomItem, "x.user", "u"}},
		"RecBole, one file":        {files: []string{"x.inter", inter, "x.item", atomItem, "y.inter", inter}, file: "x.inter", opts: dataset.Options{Format: "recbole"}},
		"Amazon 2018":              {files: []string{"Books_5.json.gz", zipped(t, json18), "meta_Books.json.gz", zipped(t, meta18)}},
		"Amazon 2018, plain":       {files: []string{"Books.json", json18, "meta_Books.json", meta18}, opts: dataset.Options{Format: "amazon"}},
		"Amazon 2023":              {files: []string{"Books.jsonl", json23, "meta_Books.jsonl", meta23}},
		"Amazon 2023 csv":          {files: []string{"Books.train.csv.gz", zipped(t, csv23), "meta_Books.jsonl", meta23}, opts: dataset.Options{Format: "amazon"}},
		"Amazon 2023 csv, auto":    {files: []string{"Books.csv", csv23, "meta_Books.jsonl", meta23}},
		"csv with a mapping": {files: []string{"log.csv", otherCSV}, opts: dataset.Options{Format: "csv", Columns: dataset.Columns{
			User: "reader", Item: "book", Rating: "stars", Time: "when", TimeUnit: "2006-01-02 15:04:05"}}},
		"csv by place": {files: []string{"log.csv", noHeader, "names.tsv", itemsByID}, file: "log.csv", opts: dataset.Options{Items: "names.tsv", Columns: dataset.Columns{
			User: "#1", Item: "#2", Rating: "#3", Time: "#4", ItemID: "#1", Title: "#2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := dataset.Open(context.Background(), filepath.Join(folder(t, c.files...), c.file), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(set); !slices.Equal(got, threeRatings) {
				t.Errorf("read %q, want %q", got, threeRatings)
			}
			if len(set.Items) != 2 || set.Untitled != 0 && !strings.HasPrefix(name, "csv with") {
				t.Errorf("%d items, %d without a title: %+v", len(set.Items), set.Untitled, set.Items)
			}
			if strings.HasPrefix(name, "csv") {
				return
			}
			for _, it := range set.Items {
				if it.ID == "a" && !slices.Equal(it.Categories, []string{"Drama", "War"}) {
					t.Errorf("categories of %q: %q", it.Title, it.Categories)
				}
			}
		})
	}
	t.Run("ML-100K", func(t *testing.T) {
		flags := "|0|0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0"
		set, err := dataset.Open(context.Background(), folder(t, "u.data", uData, "u.item", "2|Caf\xe9 (1980)|01-Jan-1980||http://x"+flags+"\n"), dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := show(set); !slices.Equal(got, []string{"1|Café (1980)|4|1000000030"}) || !slices.Equal(set.Items[0].Categories, []string{"Drama"}) {
			t.Errorf("read %q, %q", got, set.Items[0].Categories)
		}
	})
}

func TestAmazonRatingsOnly(t *testing.T) {
	const user, item = "A1YS9MDZP93857", "B00006HAXW"
	for name, line := range map[string]string{"2014": user + "," + item, "2018": item + "," + user} {
		set, err := dataset.Open(context.Background(), folder(t, "ratings_Books.csv", line+",5.0,1393545600\n"), dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if set.Users[0] != user || set.Items[0].ID != item || set.Interactions[0].Time != 1393545600 {
			t.Errorf("%s: user %q, item %q", name, set.Users[0], set.Items[0].ID)
		}
	}
	_, err := dataset.Open(context.Background(), folder(t, "ratings_Books.csv", "B00006HAXW,0345123456,5.0,1393545600\n"), dataset.Options{})
	if !errors.Is(err, dataset.ErrAmbiguous) {
		t.Errorf("two products in a line: %v", err)
	}
}

// TestMillisecondsOrder: the milliseconds of 2023 decide the order within a second.
func TestMillisecondsOrder(t *testing.T) {
	csv := "user_id,parent_asin,rating,timestamp\nu,late,4,1000000010900\nu,early,4,1000000010100\n"
	set, err := dataset.Open(context.Background(), folder(t, "x.csv", csv), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := show(set), []string{"u|early|4|1000000010", "u|late|4|1000000010"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestBadLines(t *testing.T) {
	good := "1::2::3::1000000000\n"
	for name, c := range map[string]struct {
		file, content string
		line          int
		reason        string
		is            error
	}{
		"a field missing":   {"ratings.dat", good + "1::2\n" + good, 2, "2 fields", nil},
		"a field too many":  {"ratings.dat", good + good + "1::2::3::4::5\n", 3, "more than the 4 fields", nil},
		"no rating":         {"ratings.dat", good + "1::2::x::1000000000\n", 2, `rating "x"`, nil},
		"a NaN":             {"ratings.dat", good + "1::2::NaN::1000000000\n", 2, `rating "NaN"`, nil},
		"no time":           {"ratings.dat", good + "1::2::3\n", 2, "no timestamp", dataset.ErrNoTimestamps},
		"time zero":         {"ratings.dat", good + "1::2::3::0\n", 2, "not a time", dataset.ErrNoTimestamps},
		"milliseconds":      {"ratings.dat", good + "1::2::3::1588687728923\n", 2, "too large for seconds", nil},
		"no user":           {"ratings.dat", good + "::2::3::1000000000\n", 2, "empty", nil},
		"binary":            {"ratings.dat", good + "\x00\x01::\xff\n", 2, "fields", nil},
		"an open quote":     {"ratings.csv", "userId,movieId,rating,timestamp\n1,2,3,1000000000\n1,\"2,3,4\n", 3, "quoted", nil},
		"short":             {"ratings.csv", "userId,movieId,rating,timestamp\n1,2,3\n", 2, "3 fields", nil},
		"long":              {"ratings.csv", "userId,movieId,rating,timestamp\n1,2,3,1000000000,5\n", 2, "5 fields under a header of 4", nil},
		"JSON cut off":      {"x.jsonl", `{"user_id":"a","asin":"b","rating":1,"timestamp":1000000000000}` + "\n" + `{"user_id":"a","asin":"b","rat`, 2, "broken JSON", nil},
		"JSON without time": {"x.jsonl", `{"user_id":"a","asin":"b","rating":1}`, 1, "no unixReviewTime", dataset.ErrNoTimestamps},
		"JSON without user": {"x.jsonl", `{"asin":"b","rating":1,"timestamp":1000000000000}`, 1, "no reviewerID", nil},
		"JSON of a number":  {"x.jsonl", `{"user_id":7,"asin":"b","rating":1,"timestamp":1000000000000}`, 1, "not a JSON string", nil},
		"RecBole":           {"x.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\tgood\t3\n", 2, `rating "good"`, nil},
		"a hostile field":   {"ratings.dat", good + "1::2::" + strings.Repeat("9x", 5000) + "::1\n", 2, `...`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, c.file, c.content)
			_, err := dataset.Open(context.Background(), dir, dataset.Options{})
			var line *dataset.LineError
			if !errors.As(err, &line) {
				t.Fatalf("%v is no LineError", err)
			}
			if line.File != filepath.Join(dir, c.file) || line.Line != c.line || !strings.Contains(line.Reason, c.reason) {
				t.Errorf("%v, want line %d and %q", err, c.line, c.reason)
			}
			if want := fmt.Sprintf("%s:%d: ", line.File, c.line); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%q does not start with %q", err, want)
			}
			if len(err.Error()) > 400 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%d characters are no clear line: %v", len(err.Error()), err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
		})
	}
}

func TestMaxBad(t *testing.T) {
	dir := folder(t, "ratings.dat", "1::2::3::1000000000\nx\n1::3::4::1000000001\n1::4::y::1000000001\n",
		"movies.dat", "2::Two (2000)::\nbroken\n")
	set, err := dataset.Open(context.Background(), dir, dataset.Options{MaxBad: 3})
	if err != nil {
		t.Fatal(err)
	}
	if set.Skipped != 3 || len(set.Interactions) != 2 || set.Untitled != 1 {
		t.Errorf("%d skipped, %d read, %d without a title; want 3, 2, 1", set.Skipped, len(set.Interactions), set.Untitled)
	}
	var lines []string
	for _, e := range set.BadLines {
		lines = append(lines, fmt.Sprintf("%s:%d", filepath.Base(e.File), e.Line))
	}
	if want := []string{"ratings.dat:2", "ratings.dat:4", "movies.dat:2"}; !slices.Equal(lines, want) {
		t.Errorf("reported %q, want %q", lines, want)
	}
	if !strings.Contains(set.Summary(), "3 bad lines skipped") {
		t.Errorf("the summary hides what was skipped: %s", set.Summary())
	}
	if _, err := dataset.Open(context.Background(), dir, dataset.Options{MaxBad: 2}); !errors.Is(err, dataset.ErrTooManyBad) || !strings.Contains(err.Error(), "ratings.dat:2") {
		t.Errorf("with MaxBad 2: %v", err)
	}
	if _, err := dataset.Open(context.Background(), dir, dataset.Options{MaxBad: -1}); err != nil {
		t.Errorf("with any number of bad lines: %v", err)
	}
	all := folder(t, "ratings.dat", "1::2::3\n1::3::4\n")
	if _, err := dataset.Open(context.Background(), all, dataset.Options{MaxBad: -1, Format: "movielens"}); !errors.Is(err, dataset.ErrNoInteractions) && !errors.Is(err, dataset.ErrNoTimestamps) {
		t.Errorf("with bad lines only: %v", err)
	}
}

func TestRefused(t *testing.T) {
	long := zipped(t, strings.Repeat("1::2::3::1000000000\n", 5000))
	for name, c := range map[string]struct {
		files []string
		opts  dataset.Options
		is    error
		says  string
	}{
		"an empty folder":       {nil, dataset.Options{}, dataset.ErrUnknownFormat, "no file of ratings"},
		"an empty file":         {[]string{"ratings.dat", ""}, dataset.Options{}, dataset.ErrNoInteractions, "ratings.dat"},
		"a header only":         {[]string{"ratings.csv", "userId,movieId,rating,timestamp\n"}, dataset.Options{}, dataset.ErrNoInteractions, "ratings.csv"},
		"no column of times":    {[]string{"ratings.csv", "userId,movieId,rating\n1,2,3\n"}, dataset.Options{}, dataset.ErrNoTimestamps, "ratings.csv"},
		"RecBole without times": {[]string{"x.inter", "user_id:token\titem_id:token\trating:float\n1\t2\t3\n"}, dataset.Options{}, dataset.ErrNoTimestamps, "x.inter"},
		"unknown columns":       {[]string{"a.csv", "x,y,z\n1,2,3\n"}, dataset.Options{}, dataset.ErrAmbiguous, "x, y, z"},
		"a column not there":    {[]string{"a.csv", "x,y,z\n1,2,3\n"}, dataset.Options{Columns: dataset.Columns{User: "who"}}, nil, `no column "who"`},
		"two candidates":        {[]string{"a.inter", "x", "b.inter", "y"}, dataset.Options{}, dataset.ErrAmbiguous, "a.inter, b.inter"},
		"no header":             {[]string{"a.csv", "1,2,3,1000000000\n"}, dataset.Options{}, dataset.ErrAmbiguous, "name the columns"},
		"another format":        {[]string{"ratings.dat", "1::2::3::4\n"}, dataset.Options{Format: "recbole", Ratings: "ratings.dat"}, dataset.ErrUnknownFormat, "recbole"},
		"a format misspelt":     {[]string{"ratings.dat", "1::2::3::4\n"}, dataset.Options{Format: "movielense"}, dataset.ErrUnknownFormat, "movielense"},
		"an encoding misspelt":  {[]string{"ratings.dat", "1::2::3::4\n"}, dataset.Options{Encoding: "latin"}, nil, "latin"},
		"gzip cut off":          {[]string{"ratings.dat.gz", long[:len(long)/2]}, dataset.Options{}, nil, "ratings.dat.gz"},
		"gzip damaged":          {[]string{"ratings.dat.gz", long[:len(long)-8] + "12345678"}, dataset.Options{}, nil, "ratings.dat.gz"},
		"a zip archive":         {[]string{"ratings.dat", "PK\x03\x04zip"}, dataset.Options{}, dataset.ErrUnknownFormat, "unpack"},
		"binary":                {[]string{"ratings.dat", "\x00\x01\x02"}, dataset.Options{}, dataset.ErrUnknownFormat, "no text"},
		"prose":                 {[]string{"ratings.dat", "hello world\n"}, dataset.Options{}, dataset.ErrUnknownFormat, "hello world"},
		"item texts not there":  {[]string{"ratings.dat", "1::2::3::1000000000\n"}, dataset.Options{Items: "films.dat"}, os.ErrNotExist, "films.dat"},
		"texts that are none":   {[]string{"ratings.dat", "1::2::3::1000000000\n", "films", "1\t2\t3\t4\n"}, dataset.Options{Items: "films"}, dataset.ErrUnknownFormat, "films"},
		"a bad filter":          {[]string{"ratings.dat", "1::2::3::1000000000\n"}, dataset.Options{Filter: dataset.Filter{UserFraction: 2}}, nil, "UserFraction"},
		"a filter of all":       {[]string{"ratings.dat", "1::2::3::1000000000\n"}, dataset.Options{Filter: dataset.Filter{MinUser: 2}}, dataset.ErrNoInteractions, "ratings.dat"},
		"Latin-1 as UTF-8":      {[]string{"ratings.dat", "1::2::3::1000000000\n", "movies.dat", "2::Caf\xe9 (1990)::\n"}, dataset.Options{Encoding: "utf-8"}, nil, "movies.dat:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := dataset.Open(context.Background(), folder(t, c.files...), c.opts)
			if err == nil {
				t.Fatalf("read %s", set.Summary())
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, want one line with %q", err, c.says)
			}
		})
	}
	if _, err := dataset.Open(context.Background(), filepath.Join(t.TempDir(), "nowhere"), dataset.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := dataset.Open(cancelled, folder(t, "ratings.dat", "1::2::3::1000000000\n"), dataset.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestLongLines: lines beyond the reading block are read, and lines beyond all measure are refused.
func TestLongLines(t *testing.T) {
	review := func(n int) string {
		return fmt.Sprintf(`{"user_id":"u","asin":"a","text":"%s","rating":4,"timestamp":1000000000000}`+"\n", strings.Repeat("x", n))
	}
	set, err := dataset.Open(context.Background(), folder(t, "x.jsonl", review(10)+review(1_000_000)+review(300_000)+review(1)), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Interactions) != 4 {
		t.Errorf("%d reviews, want 4", len(set.Interactions))
	}
	_, err = dataset.Open(context.Background(), folder(t, "x.jsonl", review(10)+review(20<<20)), dataset.Options{MaxBad: -1})
	var line *dataset.LineError
	if !errors.As(err, &line) || line.Line != 2 || !strings.Contains(line.Reason, "longer than") {
		t.Errorf("a line of 20 MiB: %v", err)
	}
}

func TestHash(t *testing.T) {
	const ratings, items = "1::2::3::1000000000\n1::3::4::1000000001\n", "2::Two (2000)::Drama\n3::Three (2001)::War\n"
	sum := func(ratings, items string) string {
		set, err := dataset.Open(context.Background(), folder(t, "ratings.dat", ratings, "movies.dat", items), dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return set.Hash
	}
	base := sum(ratings, items)
	if len(base) != 64 || base != sum(ratings, items) {
		t.Fatalf("the hash %q is no SHA-256 or changes between readings", base)
	}
	for name, other := range map[string]string{
		"a rating":   sum(strings.Replace(ratings, "::4::", "::5::", 1), items),
		"a time":     sum(strings.Replace(ratings, "1000000001", "1000000002", 1), items),
		"a user":     sum(strings.Replace(ratings, "1::3", "9::3", 1), items),
		"a title":    sum(ratings, strings.Replace(items, "Two", "Too", 1)),
		"a category": sum(ratings, strings.Replace(items, "War", "Peace", 1)),
		"a line":     sum(ratings+"1::2::3::1000000005\n", items),
	} {
		if other == base {
			t.Errorf("the hash does not see that %s changed", name)
		}
	}
}
