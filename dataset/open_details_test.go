package dataset_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"lsat/dataset"
)

func open(t *testing.T, o dataset.Options, files ...string) *dataset.Set {
	t.Helper()
	set, err := dataset.Open(context.Background(), folder(t, files...), o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestUsersAlike: users whose IDs begin alike, one after another, stay apart.
func TestUsersAlike(t *testing.T) {
	set := open(t, dataset.Options{}, "ratings.dat", "12::5::3::1000000000\n1::5::4::1000000001\n12::6::5::1000000002\n123::6::5::1000000003\n")
	want := []string{"12|5|3|1000000000", "1|5|4|1000000001", "12|6|5|1000000002", "123|6|5|1000000003"}
	if got := show(set); !slices.Equal(got, want) || len(set.Users) != 3 {
		t.Errorf("read %q of users %q, want %q", got, set.Users, want)
	}
}

func TestTitlesAmongRatings(t *testing.T) {
	const csv = "user_id,item_id,title,rating,timestamp\nu,7,Seven,4,1000000000\nu,8,,4,1000000001\nu,7,Other,4,1000000002\n"
	set := open(t, dataset.Options{}, "log.csv", csv)
	if want := []string{"u|Seven|4|1000000000", "u|8|4|1000000001", "u|Seven|4|1000000002"}; !slices.Equal(show(set), want) || set.Untitled != 1 {
		t.Errorf("read %q, %d without a title; want %q and 1", show(set), set.Untitled, want)
	}
	// In the reviews of 2023 the title is that of the review.
	set = open(t, dataset.Options{}, "Books.csv", "rating,title,parent_asin,user_id,timestamp\n5,Loved it,b,u,1588687728923\n")
	if got := set.Items[0].Title; got != "b" || set.Untitled != 1 {
		t.Errorf("the review's title %q passes for the item's", got)
	}
}

// TestLinesByPlace: a file without a header has its first line read as data, and counted.
func TestLinesByPlace(t *testing.T) {
	o := dataset.Options{Columns: dataset.Columns{User: "#1", Item: "#2", Rating: "#3", Time: "#4"}}
	if set := open(t, o, "log.csv", "u;i;4;1000000000\n"); len(set.Interactions) != 1 {
		t.Errorf("%d ratings, want 1", len(set.Interactions))
	}
	_, err := dataset.Open(context.Background(), folder(t, "log.csv", "u;i;4;1000000000\nu;i;x;1000000000\n"), o)
	var line *dataset.LineError
	if !errors.As(err, &line) || line.Line != 2 {
		t.Errorf("%v, want line 2", err)
	}
	o.Columns.User = "#0"
	if _, err := dataset.Open(context.Background(), folder(t, "log.csv", "u;i;4;1000000000\n"), o); err == nil || !strings.Contains(err.Error(), "#1") {
		t.Errorf("column #0: %v", err)
	}
}

// TestUnknownGenre: ML-100K's first flag says that the genre is unknown, which is no genre.
func TestUnknownGenre(t *testing.T) {
	set := open(t, dataset.Options{}, "u.data", "1\t2\t4\t1000000000\n", "u.item", "2|Two (2000)|||"+strings.Repeat("|1", 1)+strings.Repeat("|0", 17)+"|1\n")
	if !slices.Equal(set.Items[0].Categories, []string{"Western"}) {
		t.Errorf("categories %q", set.Items[0].Categories)
	}
}

// TestTitlesAreOneLine: a prompt's layout is lines, so a title must not break them.
func TestTitlesAreOneLine(t *testing.T) {
	set := open(t, dataset.Options{}, "x.jsonl", `{"user_id":"u","asin":"a","rating":4,"timestamp":1000000000000}`+"\n", "meta_x.jsonl", `{"parent_asin":"a","title":" War\n\n and \t Peace &amp; \u0000more\ud800 "}`+"\n")
	if got := set.Items[0].Title; got != "War and Peace & more\uFFFD" {
		t.Errorf("title %q", got)
	}
}

func TestProgress(t *testing.T) {
	var done, total int64
	lines := strings.Repeat("1::2::3::1000000000\n", 50_000)
	open(t, dataset.Options{Progress: func(d, all int64) {
		if d < done || all != int64(len(lines)) {
			t.Errorf("%d of %d bytes after %d", d, all, done)
		}
		done, total = d, all
	}}, "ratings.dat", lines)
	if total == 0 || done != total {
		t.Errorf("progress ended at %d of %d bytes", done, total)
	}
}

func TestAmazonBook(t *testing.T) {
	f := dataset.AmazonBook(3)
	if f.MinUser != 11 || f.UserFraction != .2 || f.MinItem != 50 || f.Seed != 3 {
		t.Errorf("the published filter is %+v", f)
	}
}
