package dataset

import (
	"fmt"
	"math"
)

// Formats that Options.Format accepts.
const (
	// FormatAuto recognizes the format from the file names and the first lines.
	FormatAuto = "auto"
	// FormatMovieLens is GroupLens' layout: ratings.dat and movies.dat ("::", the texts in ISO-8859-1), ratings.csv and
	// movies.csv with headers, or ML-100K's u.data and u.item.
	FormatMovieLens = "movielens"
	// FormatMovieTweetings is ratings.dat and movies.dat with "::" in UTF-8.
	FormatMovieTweetings = "movietweetings"
	// FormatRecBole is RecBole's atomic files: NAME.inter and NAME.item, tab-separated, with a name:type header.
	FormatRecBole = "recbole"
	// FormatCSV is separated values with Options.Columns.
	FormatCSV = "csv"
	// FormatAmazon is the Amazon review data of 2018 and of 2023, as JSON lines or as ratings-only CSV.
	FormatAmazon = "amazon"
)

// Options say how a data set is read. The zero value of a field means its default.
type Options struct {
	// Format is one of the Format constants. Default "auto".
	Format string
	// Name names the set. Default: the base name of the path without its extension.
	Name string
	// Ratings and Items name the two files where they are not found by their usual names: absolute, or relative to the
	// directory that is opened. Items "none" reads no item texts.
	Ratings, Items string
	// Columns maps the columns of separated values. Default: the usual names in the header (see Columns).
	Columns Columns
	// MaxBad is how many bad lines are skipped, counted and reported before reading fails. Default 0: the first one fails.
	// A negative number skips any number.
	MaxBad int
	// Encoding of the item texts: "auto" (UTF-8, and ISO-8859-1 for a line that is not valid UTF-8), "utf-8" (a line that
	// is not valid is bad) or "iso-8859-1". Default "auto". JSON is always UTF-8.
	Encoding string
	// Filter selects what is kept. Default: everything.
	Filter Filter
	// Unrated keeps items that have a text and no rating. Default false: the set holds the items of its interactions.
	Unrated bool
	// Progress, if given, is called now and then, from a goroutine of Open's own and while Open runs, with the bytes done of all bytes of the ratings file.
	Progress func(done, total int64)
}

// Columns map columns to what they mean. A column is named by its header, or "#1", "#2", … by its place where the file has
// no header. The zero value takes the usual names, without regard to case, "_" and " ":
// user (userid, uid, reviewerid), item (itemid, movieid, asin, parentasin, isbn, productid, …), rating (overall, stars, score),
// timestamp (time, unixreviewtime, unixtime); in the file of the item texts also title (name, movietitle, itemtitle, booktitle)
// and genres (category, categories, class).
type Columns struct {
	// User, Item, Rating and Time are columns of the ratings.
	User, Item, Rating, Time string
	// ItemID, Title and Categories are columns of the item texts. Title may be a column of the ratings where there is no other file.
	ItemID, Title, Categories string
	// Separator is the byte between fields. Default: a tab for .tsv and RecBole files, else what the first line shows: comma, semicolon, tab or bar.
	Separator byte
	// TimeUnit is "s", "ms", "us" or "ns" since 1970, or a layout of Go's time package, read as UTC where it has no zone
	// (e.g. "2006-01-02 15:04:05"). Default "s"; "ms" for Amazon reviews of 2023.
	TimeUnit string
	// CategorySeparator is between categories. Default "|", and a space in RecBole files.
	CategorySeparator string
}

// DuplicatePolicy says what becomes of several ratings of one item by one user.
type DuplicatePolicy string

const (
	// DuplicatesAll keeps every rating. It is the default.
	DuplicatesAll DuplicatePolicy = ""
	// DuplicatesExact keeps one of the ratings that agree in user, item, rating and time.
	DuplicatesExact DuplicatePolicy = "exact"
	// DuplicatesFirst keeps a user's earliest rating of an item. (Keeping the latest would let the future decide what the past holds.)
	DuplicatesFirst DuplicatePolicy = "first"
)

// Filter selects a part of a set. The steps come in the order of the fields, each on what the one before left, and once: a later
// step may leave a user with fewer than MinUser ratings. The zero value keeps everything.
type Filter struct {
	// From and To keep the interactions with From <= time < To (Unix seconds). 0 is open.
	From, To int64
	// Duplicates says what becomes of repeated ratings.
	Duplicates DuplicatePolicy
	// MinUser keeps the users with at least this many interactions.
	MinUser int
	// UserFraction keeps this share of the users, drawn by Seed and the users' IDs, so the order of the file does not matter. 0 and 1 keep all.
	UserFraction float64
	// Seed draws the users.
	Seed uint64
	// MinItem keeps the items with at least this many interactions.
	MinItem int
}

// AmazonBook is the filter of the LSAT paper's Amazon-Book data: users with at least 11 reviews, a random 20% of the users, and
// titles with at least 50 reviews by them. The paper does not publish its seed.
func AmazonBook(seed uint64) Filter {
	return Filter{Duplicates: DuplicatesExact, MinUser: 11, UserFraction: 0.2, Seed: seed, MinItem: 50}
}

func (f Filter) check() error {
	switch {
	case f.MinUser < 0 || f.MinItem < 0:
		return fmt.Errorf("filter: MinUser %d and MinItem %d must not be negative", f.MinUser, f.MinItem)
	case math.IsNaN(f.UserFraction) || f.UserFraction < 0 || f.UserFraction > 1:
		return fmt.Errorf("filter: UserFraction %v is not in 0..1", f.UserFraction)
	case f.From != 0 && f.To != 0 && f.From >= f.To:
		return fmt.Errorf("filter: From %d is not before To %d", f.From, f.To)
	}
	switch f.Duplicates {
	case DuplicatesAll, DuplicatesExact, DuplicatesFirst:
		return nil
	}
	return fmt.Errorf("filter: Duplicates %q is not \"\", %q or %q", f.Duplicates, DuplicatesExact, DuplicatesFirst)
}

func (o Options) check() error {
	switch o.Format {
	case "", FormatAuto, FormatMovieLens, FormatMovieTweetings, FormatRecBole, FormatCSV, FormatAmazon:
	default:
		return fmt.Errorf("%w: format %q is not one of auto, movielens, movietweetings, recbole, csv, amazon", ErrUnknownFormat, o.Format)
	}
	switch o.Encoding {
	case "", "auto", "utf-8", "iso-8859-1":
	default:
		return fmt.Errorf("encoding %q is not one of auto, utf-8, iso-8859-1", o.Encoding)
	}
	if s := o.Columns.Separator; s == '\n' || s == '\r' || s == '"' {
		return fmt.Errorf("columns: %q cannot separate fields", s)
	}
	return o.Filter.check()
}
