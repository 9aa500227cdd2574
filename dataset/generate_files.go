package dataset

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lsat/internal/atomicfile"
)

// WriteGenerated writes the set that Generate makes of the options into a directory that is there, in MovieLens' CSV layout: ratings.csv, sorted by user and
// item as MovieLens sorts it, and movies.csv. It holds one user's ratings at a time, so its memory grows with users and items only. The
// same options give the same bytes. Files appear whole or not at all; errors are those of writing and the context's.
func WriteGenerated(ctx context.Context, dir string, opts GenerateOptions) error {
	g := newGenerator(opts.withDefaults())
	if err := atomicfile.Write(filepath.Join(dir, "movies.csv"), 0o644, g.writeMovies); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "ratings.csv"), 0o644, func(w io.Writer) error { return g.writeRatings(ctx, w) })
}

// movieID is an item's identifier in files. As in MovieLens there are gaps between them.
func movieID(item int32) int64 { return 1 + int64(item)*7/2 }

func (g *generator) writeMovies(w io.Writer) error {
	b := bufio.NewWriter(w)
	_, _ = b.WriteString("movieId,title,genres\n") // its errors come with Flush
	for i := range g.items {
		_, _ = fmt.Fprintf(b, "%d,%s,%s\n", movieID(int32(i)), quoteField(g.items[i].Title), strings.Join(g.items[i].Categories, "|"))
	}
	return b.Flush()
}

func quoteField(s string) string {
	if !strings.ContainsAny(s, ",\"") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

func (g *generator) writeRatings(ctx context.Context, w io.Writer) error {
	line := []byte("userId,movieId,rating,timestamp\n")
	var events []Interaction
	for u, n := range g.activity() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		events = g.user(events[:0], u, n)
		slices.SortFunc(events, func(a, b Interaction) int { return cmp.Compare(a.Item, b.Item) })
		for _, e := range events {
			line = strconv.AppendInt(line, int64(u)+1, 10)
			line = append(line, ',')
			line = strconv.AppendInt(line, movieID(e.Item), 10)
			line = append(line, ',')
			line = strconv.AppendFloat(line, float64(e.Rating), 'f', 1, 32)
			line = append(line, ',')
			line = strconv.AppendInt(line, e.Time, 10)
			line = append(line, '\n')
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		line = line[:0]
	}
	return nil
}
