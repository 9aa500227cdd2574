package dataset

import (
	"context"
	"fmt"
)

// Open reads a data set from a folder, or from its file of ratings; the file of the item texts is then looked for beside it. The format is recognized
// unless Options.Format says it. Files may be compressed with gzip.
//
// A line that cannot be read is a *LineError, or is skipped and counted under Options.MaxBad. Ratings without times are ErrNoTimestamps,
// an unrecognized file is ErrUnknownFormat, a choice that an option has to make is ErrAmbiguous, and nothing to read is ErrNoInteractions. Items
// without a text get their ID as title and are counted in Set.Untitled.
func Open(ctx context.Context, path string, opts Options) (*Set, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	l, err := locate(ctx, path, opts)
	if err != nil {
		return nil, err
	}
	name := opts.Name
	if name == "" {
		name = baseName(path)
	}
	b := newBuilder(name, opts)
	if err := b.readRatings(ctx, l, opts); err != nil {
		return nil, err
	}
	if l.items != "" {
		if err := b.readTexts(ctx, l, opts); err != nil {
			return nil, err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return b.finish(opts.Filter)
}

func (b *builder) readRatings(ctx context.Context, l layout, o Options) error {
	src, err := openSource(ctx, l.ratings)
	if err != nil {
		return err
	}
	defer src.close()
	src.progress = o.Progress
	b.set.Files = append(b.set.Files, l.ratings)
	c := o.Columns
	switch l.ratingsKind {
	case kindColons:
		return b.ratings(src, alike(datRating))
	case kindTabs:
		return b.ratings(src, alike(tabRating))
	case kindJSON:
		return b.ratings(src, amazonReview)
	case kindBare:
		return b.bareRatings(ctx, src)
	case kindTyped:
		c.Separator = '\t'
	}
	t, err := openTable(src, c, c.User, c.Item, c.Rating, c.Time)
	if err != nil {
		return err
	}
	if l.ratingsKind == kindTyped {
		t.typed()
	}
	// Titles among the ratings count where there are no other texts; in a review of 2023 the title is the review's.
	titles := l.items == ""
	if t.amazon2023() {
		titles = titles && c.Title != ""
		if c.TimeUnit == "" {
			c.TimeUnit = "ms"
		}
	}
	return b.tableRatings(src, t, c, titles)
}

// amazon2023 recognizes the header user_id,parent_asin,rating,timestamp, whose times are milliseconds.
func (t *table) amazon2023() bool {
	k, err := t.column("", "parent_asin", nil)
	return err == nil && k >= 0
}

// bareRatings reads Amazon's ratings-only files, which have no header and come in two orders.
func (b *builder) bareRatings(ctx context.Context, src *source) error {
	head, err := openSource(ctx, src.path)
	if err != nil {
		return err
	}
	defer head.close()
	lines, err := firstLines(head, 1000)
	if err != nil {
		return err
	}
	userFirst, err := amazonOrder(src.path, lines)
	if err != nil {
		return err
	}
	ticks := newClock("s")
	return b.ratings(src, func() lineParser {
		var fields [][]byte
		return func(line []byte, r *row) error {
			var err error
			if fields, err = splitFields(line, ',', fields[:0]); err != nil {
				return err
			}
			if len(fields) < 4 {
				return fewFields(len(fields), "user and item, rating, timestamp")
			}
			f := [4][]byte{fields[1], fields[0], fields[2], fields[3]}
			if userFirst {
				f[0], f[1] = f[1], f[0]
			}
			return fourFields(f, r, ticks)
		}
	})
}

func (b *builder) readTexts(ctx context.Context, l layout, o Options) error {
	src, err := openSource(ctx, l.items)
	if err != nil {
		if absent(err) {
			return fmt.Errorf("the file of the item texts: %w", err)
		}
		return err
	}
	defer src.close()
	b.set.Files = append(b.set.Files, l.items)
	c := o.Columns
	switch l.itemsKind {
	case kindColons:
		return b.texts(src, datItem(o.Encoding))
	case kindBars:
		return b.texts(src, barItem(o.Encoding))
	case kindJSON:
		return b.texts(src, amazonItem(func(id []byte) bool {
			_, ok := b.items[string(id)]
			return ok || b.unrated
		}))
	case kindTyped:
		c.Separator = '\t'
		if c.CategorySeparator == "" {
			c.CategorySeparator = " "
		}
	default:
		if o.Columns.Separator == 0 || l.ratingsKind == kindTyped {
			c.Separator = 0
		}
	}
	t, err := openTable(src, c, c.ItemID, c.Title)
	if err != nil {
		return err
	}
	if l.itemsKind == kindTyped {
		t.typed()
	}
	return b.tableTexts(src, t, c, o.Encoding)
}
