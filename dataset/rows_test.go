package dataset

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// manyBlocks writes a file of ratings that is many blocks long, with lines that cannot be read at the numbers given, and returns its path.
func manyBlocks(t *testing.T, lines int, broken ...int) string {
	t.Helper()
	at := map[int]bool{}
	for _, n := range broken {
		at[n] = true
	}
	var b strings.Builder
	b.WriteString("\xef\xbb\xbfuserId,movieId,rating,timestamp,title\r\n")
	for n := 2; n <= lines; n++ {
		r := mix(uint64(n))
		switch {
		case at[n]:
			fmt.Fprintf(&b, "%d,%d,none,5\n", n, n)
		case n%1000 == 0:
			b.WriteString(" \r\n")
		default:
			title := ""
			if r>>50%3 == 0 {
				title = fmt.Sprintf("\"Title, %d\"", n)
			}
			fmt.Fprintf(&b, "user %d,%d,%d,%d,%s\r\n", r%5000, r>>13%3000, 1+r>>30%5, 1+r>>40%100_000, title)
		}
	}
	path := filepath.Join(t.TempDir(), "ratings.csv")
	if err := os.WriteFile(path, []byte(strings.TrimSuffix(b.String(), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asOneReads is what a file of manyBlocks says, read in the plainest way.
func asOneReads(t *testing.T, path string) *Set {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder("", Options{})
	for _, line := range strings.Split(string(text), "\n")[1:] {
		f := strings.SplitN(strings.TrimSpace(line), ",", 5)
		if len(f) < 5 {
			continue
		}
		user, ok := b.users[f[0]]
		if !ok {
			user = int32(len(b.set.Users))
			b.users[f[0]] = user
			b.set.Users = append(b.set.Users, f[0])
		}
		item, ok := b.items[f[1]]
		if !ok {
			item = b.newItem(f[1])
		}
		if title := strings.Trim(f[4], `"`); title != "" && !b.titled[item] {
			b.set.Items[item].Title, b.titled[item] = title, true
		}
		rating, err := parseRating([]byte(f[2]))
		at, err2 := newClock("s").parse([]byte(f[3]))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		b.set.Interactions = append(b.set.Interactions, Interaction{Time: at, User: user, Item: item, Rating: rating})
	}
	set, err := b.finish(Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestBlocksJoinAsOneFile: whatever the number of readers, and compressed or not, many blocks give what one plain pass gives.
func TestBlocksJoinAsOneFile(t *testing.T) {
	const lines = 60_000
	broken := []int{2, 777, 30_001, 30_002, lines}
	path := manyBlocks(t, lines, broken...)
	want := asOneReads(t, path)
	zipped := filepath.Join(t.TempDir(), "ratings.csv.gz")
	f, err := os.Create(zipped)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, procs := range []int{1, 2, 7} {
		for _, file := range []string{path, zipped} {
			before := runtime.GOMAXPROCS(procs)
			got, err := Open(context.Background(), file, Options{MaxBad: len(broken)})
			runtime.GOMAXPROCS(before)
			if err != nil {
				t.Fatal(err)
			}
			if got.Hash != want.Hash || !reflect.DeepEqual(got.Users, want.Users) || !reflect.DeepEqual(got.Items, want.Items) {
				t.Errorf("%d readers of %s give another set", procs, filepath.Base(file))
			}
			var at []int
			for _, l := range got.BadLines {
				at = append(at, l.Line)
			}
			if got.Skipped != len(broken) || !reflect.DeepEqual(at, broken) {
				t.Errorf("%d bad lines at %v, want %v", got.Skipped, at, broken)
			}
		}
	}
}

// TestBlocksStartOver: a parser that forgets the names it has met gives the same set.
func TestBlocksStartOver(t *testing.T) {
	path := manyBlocks(t, 40_000)
	want := asOneReads(t, path)
	for _, most := range []int{0, 1, 2500} {
		b := newBuilder("", Options{})
		b.mostNames = most
		err := b.readRatings(context.Background(), layout{ratings: path, ratingsKind: kindTable}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.finish(Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Hash != want.Hash {
			t.Errorf("remembering %d names gives another set", most)
		}
	}
}

// TestBlocksComplainInTheFilesOrder: the first bad line is the file's first, however far behind others are, and counts come in its order.
func TestBlocksComplainInTheFilesOrder(t *testing.T) {
	path := manyBlocks(t, 40_000, 20_000, 20_001, 39_999)
	var line *LineError
	for range 5 {
		_, err := Open(context.Background(), path, Options{})
		if !errors.As(err, &line) || line.Line != 20_000 || line.File != path {
			t.Fatalf("the first bad line: %v", err)
		}
		_, err = Open(context.Background(), path, Options{MaxBad: 2})
		if !errors.Is(err, ErrTooManyBad) || !strings.Contains(err.Error(), "ratings.csv:20000: rating \"none\"") {
			t.Fatalf("one too many: %v", err)
		}
	}
	long := manyBlocks(t, 30_000)
	f, err := os.OpenFile(long, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\n" + strings.Repeat("x", longestLine+1))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), long, Options{MaxBad: -1}); err == nil || !strings.Contains(err.Error(), "ratings.csv:30001: the line is longer") {
		t.Errorf("a line without end: %v", err)
	}
}

// TestBlocksStop: a cancelled context ends the reading, with its cause.
func TestBlocksStop(t *testing.T) {
	path := manyBlocks(t, 60_000)
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("enough")
	n := 0
	_, err := Open(ctx, path, Options{Progress: func(done, total int64) {
		if n++; n > 3 {
			cancel(cause)
		}
	}})
	if !errors.Is(err, cause) {
		t.Errorf("%v, want %v", err, cause)
	}
}
