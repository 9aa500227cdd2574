package dataset_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lsat/dataset"
)

// shared finds a folder of the data that lies beside the repository; the tests on it are skipped where it is not.
func shared(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join("..", "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("the published data set is not here: %v", err)
	}
	return path
}

// event is an interaction by names, for comparison with another reader.
type event struct {
	user, item string
	rating     float64
	time       int64
}

// check compares a set with what a plain reader made of the same file.
func check(t *testing.T, set *dataset.Set, want []event, titles map[string]string) {
	t.Helper()
	slices.SortStableFunc(want, func(a, b event) int { return int(a.time - b.time) })
	if len(set.Interactions) != len(want) {
		t.Fatalf("%d interactions, want %d", len(set.Interactions), len(want))
	}
	users := map[string]bool{}
	for i, e := range set.Interactions {
		w := want[i]
		users[w.user] = true
		it := set.Items[e.Item]
		if set.Users[e.User] != w.user || it.ID != w.item || float64(e.Rating) != w.rating || e.Time != w.time {
			t.Fatalf("interaction %d is %+v of user %s with item %s, want %+v", i, e, set.Users[e.User], it.ID, w)
		}
		if title, ok := titles[w.item]; ok && it.Title != title {
			t.Fatalf("item %s is called %q, want %q", it.ID, it.Title, title)
		}
	}
	if len(users) != len(set.Users) {
		t.Errorf("%d users, want %d", len(set.Users), len(users))
	}
}

func mustFloat(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var lines []string
	for in := bufio.NewScanner(f); in.Scan(); {
		lines = append(lines, in.Text())
	}
	return lines
}

func datEvents(t *testing.T, path string) []event {
	t.Helper()
	var want []event
	for _, line := range readLines(t, path) {
		f := strings.Split(line, "::")
		want = append(want, event{f[0], f[1], mustFloat(t, f[2]), int64(mustFloat(t, f[3]))})
	}
	return want
}

func TestML1M(t *testing.T) {
	dir := shared(t, "ml-1m")
	set, err := dataset.Open(context.Background(), dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, set, datEvents(t, filepath.Join(dir, "ratings.dat")), map[string]string{
		"1": "Toy Story (1995)", "29": "City of Lost Children, The (1995)", "2571": "Matrix, The (1999)",
		// Titles with accents, which the file writes in ISO-8859-1.
		"73": "Misérables, Les (1995)", "582": "Metisse (Café au Lait) (1993)", "649": "Cold Fever (Á köldum klaka) (1994)",
	})
	if set.Name != "ml-1m" || set.Untitled != 0 || len(set.Items) != 3706 {
		t.Errorf("%s; %d items", set.Summary(), len(set.Items))
	}
	all, err := dataset.Open(context.Background(), dir, dataset.Options{Unrated: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Items) != 3883 {
		t.Errorf("%d items with the unrated ones, want 3883", len(all.Items))
	}
}

func TestMovieLensLatestSmall(t *testing.T) {
	dir := shared(t, "ml-latest-small")
	set, err := dataset.Open(context.Background(), dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows := func(name string) [][]string {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		all, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return all[1:]
	}
	var want []event
	for _, f := range rows("ratings.csv") {
		want = append(want, event{f[0], f[1], mustFloat(t, f[2]), int64(mustFloat(t, f[3]))})
	}
	titles := map[string]string{}
	for _, f := range rows("movies.csv") {
		titles[f[0]] = strings.TrimSpace(f[1])
	}
	check(t, set, want, titles)
	if len(want) != 100_836 || len(set.Users) != 610 || set.Untitled != 0 {
		t.Errorf("%s", set.Summary())
	}
}

func TestMovieTweetings(t *testing.T) {
	dir := shared(t, "movietweetings")
	set, err := dataset.Open(context.Background(), dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	titles := map[string]string{}
	for _, line := range readLines(t, filepath.Join(dir, "movies.dat")) {
		f := strings.Split(line, "::")
		titles[f[0]] = strings.TrimSpace(f[1])
	}
	check(t, set, datEvents(t, filepath.Join(dir, "ratings.dat")), titles)
	if len(set.Interactions) != 141_695 || len(set.Users) != 21_081 {
		t.Errorf("%s", set.Summary())
	}
}

func BenchmarkOpenML1M(b *testing.B) {
	path := shared(b, "ml-1m")
	for b.Loop() {
		if _, err := dataset.Open(context.Background(), path, dataset.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGenerate makes a million interactions.
func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		dataset.Generate(dataset.GenerateOptions{Users: 6000, Items: 4000, Interactions: 1_000_000})
	}
}
