package dataset_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"lsat/dataset"
)

// TestHostileFiles damages good files at random: Open returns a set whose indices and order hold, or an error, and never panics.
func TestHostileFiles(t *testing.T) {
	pairs := [][4]string{
		{"ratings.dat", "1::2::3::1000000000\n2::3::4.5::1000000001\n", "movies.dat", "2::Two, The (2000)::Drama|War\n3::Caf\xe9 (2001)::\n"},
		{"ratings.csv", "userId,movieId,rating,timestamp\n1,2,3.0,1000000000\n2,3,4.5,1000000001\n", "movies.csv", "movieId,title,genres\n2,\"Two, \"\"The\"\" (2000)\",Drama\n"},
		{"u.data", "1\t2\t3\t1000000000\n", "u.item", "2|Two (2000)|01-Jan-2000||http://x|0|0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0\n"},
		{"x.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t1000000000\n", "x.item", "item_id:token\tmovie_title:token_seq\trelease_year:token\n2\tTwo\t2000\n"},
		{"Books.jsonl", `{"user_id":"a","parent_asin":"b","rating":4.0,"timestamp":1588687728923,"images":[{"x":["\"]"]}]}` + "\n", "meta_Books.jsonl", `{"parent_asin":"b","title":"\u00c9t\u00e9 &amp; 1","categories":["A"]}` + "\n"},
		{"ratings_Books.csv", "A1YS9MDZP93857,B00006HAXW,5.0,1393545600\n", "meta_Books.json", `{"asin":"B00006HAXW","title":"T","categories":[["A","B"]]}` + "\n"},
	}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(pairs).Draw(t, "files")
		damage := func(s string) []byte {
			b := []byte(s)
			for range rapid.IntRange(0, 3).Draw(t, "hits") {
				at := rapid.IntRange(0, len(b)).Draw(t, "at")
				end := min(len(b), at+rapid.IntRange(0, 4).Draw(t, "taken"))
				put := rapid.SampledFrom([]string{"", "\n", "\r", "\x00", "\xff", "\"", "\\", "::", ",", "\t", "|", "{", "}", "]", "9999999999999999999", "-1", "NaN", "é", "null"}).Draw(t, "put")
				b = append(append(append([]byte{}, b[:at]...), put...), b[end:]...)
			}
			return b
		}
		sub, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(sub) }()
		for k := 0; k < 4; k += 2 {
			if err := os.WriteFile(filepath.Join(sub, p[k]), damage(p[k+1]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set, err := dataset.Open(context.Background(), sub, dataset.Options{MaxBad: rapid.SampledFrom([]int{-1, 0}).Draw(t, "most"), Unrated: rapid.Bool().Draw(t, "unrated")})
		if err != nil {
			return
		}
		for i, e := range set.Interactions {
			if int(e.User) >= len(set.Users) || int(e.Item) >= len(set.Items) || e.Time <= 0 || e.Rating != e.Rating || (i > 0 && e.Time < set.Interactions[i-1].Time) {
				t.Fatalf("event %d is %+v", i, e)
			}
		}
		for _, it := range set.Items {
			if it.ID == "" || it.Title == "" {
				t.Fatalf("item %+v", it)
			}
		}
	})
}
