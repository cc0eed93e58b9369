#include <chainrule/data/glyphs.hpp>

#include <array>

namespace chainrule::detail {

namespace {

// Two or three styles a digit, named by what sets them apart.

constexpr Point zero_closed_pen[] = {{0.52, 0.02}, {0.27, 0.16}, {0.16, 0.48},
                                     {0.25, 0.84}, {0.50, 0.99}, {0.75, 0.84},
                                     {0.84, 0.48}, {0.74, 0.15}, {0.52, 0.02}};
constexpr Stroke zero_closed[] = {zero_closed_pen};
constexpr Point zero_overlapping_pen[] = {{0.64, 0.09}, {0.40, 0.06}, {0.22, 0.30}, {0.20, 0.66},
                                          {0.40, 0.96}, {0.66, 0.90}, {0.80, 0.60}, {0.76, 0.26},
                                          {0.58, 0.06}, {0.44, 0.12}};
constexpr Stroke zero_overlapping[] = {zero_overlapping_pen};
constexpr Style zero[] = {zero_closed, zero_overlapping};

constexpr Point one_bare_pen[] = {{0.52, 0.00}, {0.51, 0.50}, {0.49, 1.00}};
constexpr Stroke one_bare[] = {one_bare_pen};
constexpr Point one_flagged_pen[] = {
    {0.32, 0.22}, {0.54, 0.01}, {0.54, 0.01}, {0.52, 0.50}, {0.52, 1.00}};
constexpr Stroke one_flagged[] = {one_flagged_pen};
constexpr Point one_footed_1[] = {
    {0.30, 0.20}, {0.52, 0.01}, {0.52, 0.01}, {0.51, 0.50}, {0.51, 0.98}};
constexpr Point one_footed_2[] = {{0.28, 0.99}, {0.76, 0.98}};
constexpr Stroke one_footed[] = {one_footed_1, one_footed_2};
constexpr Style one[] = {one_bare, one_flagged, one_footed};

constexpr Point two_flat_pen[] = {{0.18, 0.26}, {0.32, 0.06}, {0.58, 0.02}, {0.76, 0.20},
                                  {0.68, 0.46}, {0.42, 0.74}, {0.17, 0.97}, {0.17, 0.97},
                                  {0.50, 0.95}, {0.85, 0.96}};
constexpr Stroke two_flat[] = {two_flat_pen};
constexpr Point two_looped_pen[] = {{0.20, 0.20}, {0.44, 0.02}, {0.72, 0.13}, {0.70, 0.42},
                                    {0.46, 0.78}, {0.22, 0.95}, {0.16, 0.80}, {0.34, 0.76},
                                    {0.56, 0.92}, {0.86, 0.90}};
constexpr Stroke two_looped[] = {two_looped_pen};
constexpr Point two_slanted_pen[] = {{0.17, 0.14}, {0.46, 0.02}, {0.72, 0.10}, {0.74, 0.32},
                                     {0.50, 0.62}, {0.22, 0.94}, {0.22, 0.94}, {0.82, 0.88}};
constexpr Stroke two_slanted[] = {two_slanted_pen};
constexpr Style two[] = {two_flat, two_looped, two_slanted};

constexpr Point three_round_pen[] = {{0.20, 0.14}, {0.46, 0.01}, {0.72, 0.14}, {0.66, 0.38},
                                     {0.42, 0.47}, {0.42, 0.47}, {0.70, 0.56}, {0.80, 0.78},
                                     {0.56, 0.98}, {0.30, 0.97}, {0.15, 0.84}};
constexpr Stroke three_round[] = {three_round_pen};
constexpr Point three_flat_topped_pen[] = {{0.20, 0.05}, {0.76, 0.04}, {0.76, 0.04},
                                           {0.46, 0.40}, {0.46, 0.40}, {0.74, 0.50},
                                           {0.80, 0.76}, {0.56, 0.98}, {0.18, 0.90}};
constexpr Stroke three_flat_topped[] = {three_flat_topped_pen};
constexpr Point three_flowing_pen[] = {{0.18, 0.12}, {0.52, 0.01}, {0.74, 0.16},
                                       {0.60, 0.42}, {0.48, 0.46}, {0.66, 0.54},
                                       {0.78, 0.76}, {0.52, 1.00}, {0.16, 0.88}};
constexpr Stroke three_flowing[] = {three_flowing_pen};
constexpr Style three[] = {three_round, three_flat_topped, three_flowing};

constexpr Point four_open_1[] = {{0.24, 0.04}, {0.20, 0.30}, {0.18, 0.54},
                                 {0.18, 0.54}, {0.50, 0.56}, {0.86, 0.54}};
constexpr Point four_open_2[] = {{0.70, 0.04}, {0.68, 0.50}, {0.64, 1.00}};
constexpr Stroke four_open[] = {four_open_1, four_open_2};
constexpr Point four_closed_1[] = {{0.64, 0.01}, {0.36, 0.36}, {0.12, 0.67},
                                   {0.12, 0.67}, {0.50, 0.68}, {0.90, 0.66}};
constexpr Point four_closed_2[] = {{0.64, 0.01}, {0.64, 0.50}, {0.63, 1.00}};
constexpr Stroke four_closed[] = {four_closed_1, four_closed_2};
constexpr Point four_cursive_1[] = {
    {0.22, 0.06}, {0.18, 0.36}, {0.30, 0.54}, {0.56, 0.50}, {0.74, 0.30}};
constexpr Point four_cursive_2[] = {{0.76, 0.04}, {0.72, 0.50}, {0.68, 1.00}};
constexpr Stroke four_cursive[] = {four_cursive_1, four_cursive_2};
constexpr Style four[] = {four_open, four_closed, four_cursive};

constexpr Point five_angular_pen[] = {{0.80, 0.03}, {0.30, 0.05}, {0.30, 0.05}, {0.25, 0.42},
                                      {0.25, 0.42}, {0.52, 0.36}, {0.78, 0.52}, {0.76, 0.82},
                                      {0.48, 0.99}, {0.17, 0.90}};
constexpr Stroke five_angular[] = {five_angular_pen};
constexpr Point five_hatted_1[] = {{0.34, 0.08}, {0.28, 0.42}, {0.28, 0.42}, {0.56, 0.42},
                                   {0.76, 0.62}, {0.66, 0.90}, {0.40, 0.99}, {0.16, 0.88}};
constexpr Point five_hatted_2[] = {{0.34, 0.07}, {0.84, 0.02}};
constexpr Stroke five_hatted[] = {five_hatted_1, five_hatted_2};
constexpr Point five_flowing_pen[] = {{0.78, 0.06}, {0.46, 0.04}, {0.28, 0.20}, {0.36, 0.40},
                                      {0.62, 0.50}, {0.74, 0.72}, {0.58, 0.95}, {0.20, 0.94}};
constexpr Stroke five_flowing[] = {five_flowing_pen};
constexpr Style five[] = {five_angular, five_hatted, five_flowing};

constexpr Point six_round_pen[] = {{0.70, 0.03}, {0.42, 0.18}, {0.23, 0.50}, {0.22, 0.80},
                                   {0.46, 0.99}, {0.74, 0.88}, {0.78, 0.66}, {0.56, 0.52},
                                   {0.32, 0.62}, {0.22, 0.78}};
constexpr Stroke six_round[] = {six_round_pen};
constexpr Point six_upright_pen[] = {{0.38, 0.01}, {0.26, 0.34}, {0.20, 0.70},
                                     {0.36, 0.97}, {0.64, 0.96}, {0.76, 0.74},
                                     {0.58, 0.58}, {0.34, 0.66}, {0.22, 0.84}};
constexpr Stroke six_upright[] = {six_upright_pen};
constexpr Point six_narrow_pen[] = {{0.62, 0.00}, {0.34, 0.30}, {0.20, 0.66},
                                    {0.34, 0.94}, {0.56, 0.98}, {0.68, 0.80},
                                    {0.56, 0.66}, {0.38, 0.72}, {0.30, 0.88}};
constexpr Stroke six_narrow[] = {six_narrow_pen};
constexpr Style six[] = {six_round, six_upright, six_narrow};

constexpr Point seven_plain_pen[] = {{0.15, 0.06}, {0.50, 0.05}, {0.82, 0.04},
                                     {0.82, 0.04}, {0.60, 0.46}, {0.42, 1.00}};
constexpr Stroke seven_plain[] = {seven_plain_pen};
constexpr Point seven_barred_1[] = {
    {0.14, 0.07}, {0.82, 0.05}, {0.82, 0.05}, {0.60, 0.48}, {0.44, 1.00}};
constexpr Point seven_barred_2[] = {{0.30, 0.52}, {0.80, 0.48}};
constexpr Stroke seven_barred[] = {seven_barred_1, seven_barred_2};
constexpr Point seven_curved_pen[] = {{0.18, 0.22}, {0.18, 0.07}, {0.18, 0.07},
                                      {0.50, 0.09}, {0.80, 0.05}, {0.80, 0.05},
                                      {0.64, 0.36}, {0.54, 0.68}, {0.50, 1.00}};
constexpr Stroke seven_curved[] = {seven_curved_pen};
constexpr Style seven[] = {seven_plain, seven_barred, seven_curved};

constexpr Point eight_crossed_pen[] = {{0.74, 0.14}, {0.50, 0.02}, {0.28, 0.15}, {0.36, 0.38},
                                       {0.62, 0.55}, {0.76, 0.78}, {0.50, 0.99}, {0.25, 0.80},
                                       {0.38, 0.57}, {0.64, 0.38}, {0.74, 0.14}};
constexpr Stroke eight_crossed[] = {eight_crossed_pen};
constexpr Point eight_stacked_1[] = {{0.50, 0.48}, {0.28, 0.34}, {0.32, 0.10}, {0.52, 0.02},
                                     {0.72, 0.12}, {0.72, 0.34}, {0.50, 0.48}};
constexpr Point eight_stacked_2[] = {{0.50, 0.48}, {0.24, 0.62}, {0.24, 0.88}, {0.50, 0.99},
                                     {0.76, 0.88}, {0.76, 0.62}, {0.50, 0.48}};
constexpr Stroke eight_stacked[] = {eight_stacked_1, eight_stacked_2};
constexpr Point eight_open_pen[] = {{0.78, 0.06}, {0.46, 0.04}, {0.28, 0.20}, {0.46, 0.42},
                                    {0.70, 0.66}, {0.66, 0.92}, {0.42, 0.98}, {0.28, 0.82},
                                    {0.44, 0.58}, {0.70, 0.30}, {0.80, 0.08}};
constexpr Stroke eight_open[] = {eight_open_pen};
constexpr Style eight[] = {eight_crossed, eight_stacked, eight_open};

constexpr Point nine_straight_pen[] = {{0.76, 0.18}, {0.52, 0.02}, {0.26, 0.14}, {0.24, 0.40},
                                       {0.46, 0.52}, {0.68, 0.40}, {0.77, 0.14}, {0.77, 0.14},
                                       {0.74, 0.56}, {0.68, 1.00}};
constexpr Stroke nine_straight[] = {nine_straight_pen};
constexpr Point nine_curled_pen[] = {{0.75, 0.26}, {0.56, 0.03}, {0.28, 0.14}, {0.24, 0.40},
                                     {0.48, 0.50}, {0.72, 0.32}, {0.74, 0.56}, {0.68, 0.84},
                                     {0.48, 0.99}, {0.24, 0.90}};
constexpr Stroke nine_curled[] = {nine_curled_pen};
constexpr Point nine_slanted_pen[] = {{0.72, 0.12}, {0.46, 0.04}, {0.26, 0.22},
                                      {0.34, 0.44}, {0.58, 0.42}, {0.72, 0.14},
                                      {0.72, 0.14}, {0.58, 0.60}, {0.40, 1.00}};
constexpr Stroke nine_slanted[] = {nine_slanted_pen};
constexpr Style nine[] = {nine_straight, nine_curled, nine_slanted};

constexpr std::array<std::span<const Style>, 10> digits = {zero, one, two,   three, four,
                                                           five, six, seven, eight, nine};

}  // namespace

std::span<const Style> styles_of(std::int32_t digit) {
  return digits[static_cast<std::size_t>(digit)];
}

}  // namespace chainrule::detail
