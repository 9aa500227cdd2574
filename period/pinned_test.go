package period_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// scramble is the finalizer of SplitMix64: the files below are the same on every machine, since no floating-point number makes them.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// writeRatings writes a data set in MovieLens' CSV layout with n lines by 900 users in bursts, among them some that cannot be read, with many
// ratings in one second. Every seventh user has a long name, and every fifth item.
func writeRatings(tb testing.TB, n int) string {
	tb.Helper()
	dir := tb.TempDir()
	var ratings, movies strings.Builder
	item := func(i uint64) string {
		if i%5 == 0 {
			return fmt.Sprintf("an-item-with-a-long-name-%d", i)
		}
		return fmt.Sprint(i)
	}
	ratings.WriteString("userId,movieId,rating,timestamp\n")
	for k := range uint64(n) {
		r := scramble(k / 40)
		u, x := r%900, scramble(k+1<<32)
		user := fmt.Sprint(u + 1)
		if u%7 == 0 {
			user = "a-user-with-a-name-" + user
		}
		at := 1_000_000_000 + r>>20%50_000_000 + k%40*(x>>50%3)
		switch k % 997 {
		case 500:
			fmt.Fprintf(&ratings, "%s,%s,much,%d\n", user, item(x%700), at)
		case 700:
			fmt.Fprintf(&ratings, "%s,%s\n", user, item(x%700))
		case 900:
			fmt.Fprintf(&ratings, "\"%s\",%s,3,%d.25\r\n\n", user, item(x%700), at)
		default:
			fmt.Fprintf(&ratings, "%s,%s,%d.%d,%d\n", user, item(x%700), 1+x>>40%4, x>>45%2*5, at)
		}
	}
	movies.WriteString("movieId,title,genres\n")
	for i := uint64(10); i < 720; i++ {
		fmt.Fprintf(&movies, "%s,\"Film, The No. %d (%d)\",%s|Drama\n", item(i), i, 1950+i%70, []string{"War", "Comedy", "Crime"}[i%3])
	}
	for name, text := range map[string]string{"ratings.csv": ratings.String(), "movies.csv": movies.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// TestPinned holds reading, cutting and the audit to what they gave before they were made fast: a set's and a stream's hashes name jobs, so they must
// never change for the same files.
func TestPinned(t *testing.T) {
	dir := writeRatings(t, 300_000)
	for _, c := range []struct {
		name           string
		o              dataset.Options
		p              period.Options
		set, all, last string
		report         string
	}{
		{
			"whole", dataset.Options{MaxBad: -1}, period.Options{},
			"1fb60d18f6b2ef955a2f92328a027382c826e7975540082f31a1fa61532fab88",
			"adac52b10d578b557f4ff1f8c8d2851ee20fcb734e8a9bafc6f4471572c85c7e",
			"840acb2f98f0350b1180cacb7379f9563446fac4e6f4340f94b35641c999eb2d",
			"602 skipped, leakage audit: 290398 samples in 20 periods with 2903980 history events: no leak; 609532 history events of 104957 samples share the second of their target; 9 period boundaries lie within a second",
		},
		{
			"filtered, strict", dataset.Options{MaxBad: 1000, Filter: dataset.Filter{Duplicates: dataset.DuplicatesFirst, MinUser: 250, MinItem: 220}},
			period.Options{StrictTime: true, History: 5, MinHistory: 2, Count: 7, EqualTime: true},
			"40e96f5e97f3bf35746505a7d7db25e8132c7db70238345c8a4cc2311401e13a",
			"f43eb1e4e5b75b9f0328ca3438ce533e95435f229431eb38388d37b42e2f2453",
			"b98fa87ee80fc10f9bea6819af0a0e2c59e6a9bceba9989b435e8be708a00f1b",
			"602 skipped, leakage audit: 121401 samples in 7 periods with 607004 history events: no leak; 0 history events of 0 samples share the second of their target",
		},
		{
			"newest", dataset.Options{MaxBad: 1000, Unrated: true}, period.Options{Newest: 50_000, Count: 11, Threshold: 3.5},
			"af3dc535635e6d6e85ebe75cab74227cbc4c3a2d1e06e76cea3c12d9359150e1",
			"9490dbc88a8fc3024c87f38cc4f5e0e13867c125d70be2fd7f5b63e2ab398fe5",
			"776c7b34f91445482a29d92b17971a462753b0ffa7cfb968b86dd8896cc370ee",
			"602 skipped, leakage audit: 50000 samples in 11 periods with 500000 history events: no leak; 108708 history events of 18908 samples share the second of their target; 6 period boundaries lie within a second",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := dataset.Open(context.Background(), dir, c.o)
			if err != nil {
				t.Fatal(err)
			}
			s, err := period.New(set, c.p)
			if err != nil {
				t.Fatal(err)
			}
			report, err := s.Audit(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			all := s.HashRange(period.Range{Lo: 0, Hi: len(s.Samples)})
			last := s.HashRange(s.Periods[len(s.Periods)-1].Valid)
			for _, v := range [][2]string{{set.Hash, c.set}, {all, c.all}, {last, c.last}, {fmt.Sprintf("%d skipped, %s", set.Skipped, report), c.report}} {
				if v[0] != v[1] {
					t.Errorf("got %q, want %q", v[0], v[1])
				}
			}
		})
	}
}
